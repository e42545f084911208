import { execFileSync } from 'node:child_process'
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect, type ClientHttp2Session, type OutgoingHttpHeaders } from 'node:http2'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { eventually } from '../support/eventually.js'
import { expect } from '../support/interop/http.js'
import { conversation, user } from '../support/people.js'
import { findProgram, startDaemon } from '../support/programs.js'
import { freePort } from '../support/server-process.js'
import { startChat } from '../support/start-chat.js'

const manual = readFileSync(join(import.meta.dirname, '../../../docs/operations.md'), 'utf8')

interface Proxy {
  program: string
  language: string
  /** How a sample stands in a whole configuration, with a certificate and a port of the test's own. */
  whole: (sample: string, place: { folder: string; port: number }) => string
  args: (file: string) => string[]
}

const proxies: Proxy[] = [
  {
    program: 'nginx',
    language: 'nginx',
    whole: (
      sample,
      { folder, port }
    ) => `daemon off; master_process off; pid ${folder}/pid; error_log stderr; events {}
http {
  access_log off;
  ${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${folder}/${name};`).join('\n')}
  ${sample
    .replace('listen 443', `listen 127.0.0.1:${port}`)
    .replace('/etc/ssl/chat.pem', `${folder}/cert.pem`)
    .replace('/etc/ssl/chat.key', `${folder}/key.pem`)}
}`,
    args: (file) => ['-c', file, '-e', 'stderr']
  },
  {
    program: 'caddy',
    language: 'caddyfile',
    whole: (sample, { folder, port }) => `{
  admin off
  auto_https disable_redirects
  servers {
    protocols h1 h2
  }
  storage file_system ${folder}
}
${sample.replace('chat.example.org {', `https://localhost:${port} {\n  tls ${folder}/cert.pem ${folder}/key.pem`)}`,
    args: (file) => ['run', '--adapter', 'caddyfile', '--config', file]
  },
  {
    program: 'haproxy',
    language: 'haproxy',
    whole: (sample, { folder, port }) =>
      sample.replace(':443', `127.0.0.1:${port}`).replace('/etc/ssl/chat-with-key.pem', `${folder}/both.pem`),
    args: (file) => ['-db', '-f', file]
  }
]

const openssl = findProgram('openssl')

for (const { program, language, whole, args } of proxies) {
  const found = findProgram(program)
  const skip = [openssl, found].find((one) => typeof one === 'string') ?? false
  t.test(
    `Through ${program}, as the manual has it, streams are live and addresses true`,
    { skip },
    async (t) => {
      const chat = await startChat(t, { TRUST_PROXY: '127.0.0.1' })
      const alice = await user(t, chat, 'alice')
      const id = await conversation(alice, [])
      const folder = mkdtempSync(join(tmpdir(), 'secure-chat-proxy-'))
      t.teardown(() => rmSync(folder, { recursive: true, force: true }))
      makeCertificate(folder)
      const [, sample = ''] = new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, 'ms').exec(manual) ?? []
      const file = join(folder, 'config')
      const port = await freePort()
      writeFileSync(
        file,
        whole(sample.replaceAll('127.0.0.1:3000', new URL(chat.url).host), { folder, port })
      )
      await startDaemon(t, port, (found as { path: string }).path, args(file))

      const session = connect(`https://localhost:${port}`, { rejectUnauthorized: false })
      t.teardown(() => session.destroy())
      session.on('error', () => undefined)
      const authorization = `Bearer ${alice.accessToken}`
      const stream = call(session, { ':path': '/v1/events', authorization })
      await eventually(() => stream.text.includes('event: ready'), 'the stream is open')
      const { body } = expect(await alice.send(id, 'hello'), 201)
      await eventually(() => stream.text.includes(body.id), 'the message comes at once')

      const large = call(
        session,
        { ':path': '/v1/conversations', ':method': 'POST', 'content-type': 'application/json' },
        Buffer.alloc(2 * 2 ** 20)
      )
      await eventually(() => large.status !== 0, 'a large body gets an answer')
      t.equal(large.status, 401, 'from the server, not from the proxy')
      const login = call(
        session,
        {
          ':path': '/v1/auth/login',
          ':method': 'POST',
          'content-type': 'application/json',
          'x-forwarded-for': '203.0.113.9'
        },
        Buffer.from(JSON.stringify({ username: 'alice', password: alice.password }))
      )
      await eventually(() => login.over, 'a log-in')
      const { accessToken: token } = JSON.parse(login.text) as { accessToken: string }
      const sessions = await alice.raw<{ items: { address: string; current: boolean }[] }>(
        'GET',
        '/v1/auth/sessions',
        { token }
      )
      const { address } = sessions.body.items.find(({ current }) => current)!
      t.match(address, /^(127\.0\.0\.1|::1)$/, 'a client cannot choose its address')
    }
  )
}

function makeCertificate(folder: string): void {
  chmodSync(folder, 0o755)
  const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')]
  const request = [
    'req',
    '-x509',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:prime256v1',
    '-nodes',
    '-days',
    '1'
  ]
  execFileSync('openssl', [...request, '-subj', '/CN=localhost', '-keyout', key, '-out', cert], {
    stdio: 'pipe'
  })
  writeFileSync(join(folder, 'both.pem'), readFileSync(cert, 'utf8') + readFileSync(key, 'utf8'))
}

/** A request over HTTP/2, and what has come of its answer. */
function call(session: ClientHttp2Session, headers: OutgoingHttpHeaders, body?: Buffer) {
  const answer = { status: 0, text: '', over: false }
  const request = session.request(headers, { endStream: body === undefined })
  request.setEncoding('utf8')
  request.on('response', (head) => (answer.status = Number(head[':status'])))
  request.on('data', (text: string) => (answer.text += text))
  request.on('error', () => undefined)
  request.on('close', () => (answer.over = true))
  if (body !== undefined) request.end(body)
  return answer
}
