import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Scope } from '../support/server-process.js'

/** A network between clients and a server. It passes everything on, until a test makes it worse. */
export class BadNetwork {
  readonly url: string
  /** Bytes go on later by this many milliseconds. */
  delay = 0
  /** Bytes go on in pieces of at most this size. */
  piece = Infinity
  readonly #pairs = new Set<readonly [Socket, Socket]>()

  private constructor(url: string) {
    this.url = url
  }

  static async open(owner: Scope, port: number): Promise<BadNetwork> {
    const server = createServer({ noDelay: true, allowHalfOpen: true })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const network = new BadNetwork(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
    server.on('connection', (client) => network.#join(client, port))
    owner.teardown(() => {
      server.close()
      network.cut()
    })
    return network
  }

  /** All connections end at once, as when a cable is pulled out of a router that resets them. */
  cut(): void {
    for (const [client, server] of this.#pairs) {
      client.resetAndDestroy()
      server.destroy()
    }
  }

  /** The server sees the end of what its clients say, and can still answer. */
  halfClose(): void {
    for (const [, server] of this.#pairs) server.end()
  }

  #join(client: Socket, port: number): void {
    const server = connect({ port, host: '127.0.0.1', noDelay: true, allowHalfOpen: true })
    const pair = [client, server] as const
    this.#pairs.add(pair)
    this.#pass(client, server)
    this.#pass(server, client)
    for (const socket of pair) {
      socket.on('error', () => undefined)
      socket.on('close', () => {
        this.#pairs.delete(pair)
        for (const other of pair) other.destroy()
      })
    }
  }

  #pass(from: Socket, to: Socket): void {
    let line = Promise.resolve()
    const later = (work: () => void) => {
      const { delay } = this
      line = line.then(async () => {
        if (delay > 0) await sleep(delay)
        work()
      })
    }
    from.on('data', (bytes: Buffer) => {
      const size = Math.min(this.piece, bytes.length)
      for (let at = 0; at < bytes.length; at += size) later(() => to.write(bytes.subarray(at, at + size)))
    })
    from.on('end', () => later(() => to.end()))
  }
}
