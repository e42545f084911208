import { spawn } from 'node:child_process'
import { join } from 'node:path'
import t from 'tap'
import { emptyDataDir } from '../support/empty-database.js'
import { eventually } from '../support/eventually.js'
import { findProgram } from '../support/programs.js'
import { dieTogether, freePort, READY, startServer } from '../support/server-process.js'

const MAIN = join(import.meta.dirname, '../../src/server/main.js')

t.test('The log says on which address the server listens, in one line', async (t) => {
  const server = await startServer(t, { env: { SERVER_HOST: '0.0.0.0', LOG_LEVEL: 'info' } })
  await eventually(() => server.output.includes(READY))
  const lines = server.output.split('\n').filter((line) => /listening/i.test(line))
  t.equal(lines.length, 1)
  t.match(JSON.parse(lines[0]!), { address: `http://0.0.0.0:${server.port}`, msg: 'listening' })
})

t.test('The banner names the program as it can be called where the server was started', async (t) => {
  for (const [env, program] of [
    [{}, 'secure-chat'],
    [{ npm_lifecycle_event: 'start' }, 'npx secure-chat']
  ] as const) {
    const server = await startServer(t, { env })
    await eventually(() => server.output.includes('Read:'), 'the banner')
    t.match(server.output, `  Try:   ${program} register alice --url ${server.url} `)
    t.match(server.output, `; ${program} --help has the rest`)
    t.match(server.output, `  Then:  ${program} invite `)
    await server.stop()
  }
})

const script = findProgram('script')

t.test('On a terminal the banner stands alone', { skip: typeof script === 'string' && script }, async (t) => {
  const { PATH } = process.env
  const env = { PATH, DATA_DIR: await emptyDataDir(t), SERVER_PORT: String(await freePort()) }
  const child = spawn('script', ['-qec', `exec '${process.execPath}' '${MAIN}'`, '/dev/null'], {
    env,
    stdio: ['pipe', 'pipe', 'pipe']
  })
  dieTogether(child)
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (more: string) => (output += more))
  await eventually(() => output.includes('Read:'), 'the banner')
  t.notMatch(output, '{')
  // Ctrl+C: `script` itself ignores a signal.
  child.stdin.write('\u0003')
  await eventually(() => child.exitCode !== null, 'it ends')
  t.equal(child.exitCode, 0)
})
