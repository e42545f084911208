import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { request } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Scope } from './server-process.js'

/**
 * A proxy with TLS in front of a server. Its certificate is for `localhost` and `chat.test`, and nobody else has signed it.
 *
 * @returns its address, and the file of the certificate
 */
export async function tlsFront(
  owner: Scope,
  target: string,
  { days = 90 } = {}
): Promise<{ url: string; cert: string }> {
  const folder = mkdtempSync(join(tmpdir(), 'secure-chat-tls-'))
  const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')]
  execFileSync(
    'openssl',
    `req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days ${days} -subj /CN=localhost -addext`
      .split(' ')
      .concat('subjectAltName=DNS:localhost,DNS:chat.test', '-keyout', key, '-out', cert),
    { stdio: 'ignore' }
  )
  const server = createServer({ key: readFileSync(key), cert: readFileSync(cert) }, (incoming, outgoing) => {
    const { method, headers } = incoming
    const onward = request(target + incoming.url!, { method, headers }, (answer) => {
      outgoing.writeHead(answer.statusCode!, answer.headers)
      answer.pipe(outgoing)
    })
    incoming.pipe(onward)
  })
  await new Promise<void>((resolve) => server.listen(0, 'localhost', resolve))
  owner.teardown(() => {
    server.closeAllConnections()
    server.close()
    rmSync(folder, { recursive: true, force: true })
  })
  return { url: `https://localhost:${(server.address() as AddressInfo).port}`, cert }
}
