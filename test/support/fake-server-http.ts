import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import type { FakeServer } from './fake-server.js'
import type { Scope } from './server-process.js'

/** Serves a server in memory, lies and all, to programs that speak HTTP. @returns its address */
export async function serveFake(owner: Scope, fake: FakeServer): Promise<string> {
  const server = createServer((incoming, outgoing) => void pass(fake, incoming, outgoing))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  owner.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

async function pass(
  { fetch }: FakeServer,
  incoming: IncomingMessage,
  outgoing: ServerResponse
): Promise<void> {
  const { method = 'GET', url = '/', headers } = incoming
  const bytes = await buffer(incoming)
  const isBytes = headers['content-type'] === 'application/octet-stream'
  const body = bytes.length === 0 ? undefined : isBytes ? new Uint8Array(bytes) : bytes.toString()
  const response = await fetch(new URL(url, 'http://fake'), {
    method,
    headers: Object.entries(headers).map(([name, value]) => [name, String(value)] as [string, string]),
    ...(body !== undefined && { body })
  })
  outgoing.writeHead(response.status, Object.fromEntries(response.headers))
  outgoing.flushHeaders()
  if (response.body === null) outgoing.end()
  else
    Readable.fromWeb(response.body)
      .on('error', () => outgoing.destroy())
      .pipe(outgoing)
}
