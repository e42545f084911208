import { connect, type Socket } from 'node:net'

/** The sockets of a process are read in turn, so they can share one buffer. */
const readInto = Buffer.allocUnsafe(256 * 1024)

/**
 * One keep-alive connection with at most one request at a time. It is a raw socket because the generator
 * shares two cores with the server and PostgreSQL: a request costs a third of undici's and a fifth of
 * `node:http`'s time.
 */
export class Connection {
  onResponse: (status: number, response: string) => void = () => undefined
  readonly #socket: Socket
  #partial = ''

  constructor(port: number, onEnd: (error: Error) => void) {
    this.#socket = connect({
      port,
      host: '127.0.0.1',
      noDelay: true,
      onread: { buffer: readInto, callback: (length) => this.#read(length) }
    })
    this.#socket.on('error', onEnd)
    this.#socket.on('end', () => onEnd(new Error('the server closed a connection')))
  }

  send(request: Buffer): void {
    this.#socket.write(request)
  }

  close(): void {
    this.#socket.removeAllListeners('end')
    this.#socket.destroy()
  }

  #read(length: number): boolean {
    const text = this.#partial + readInto.toString('latin1', 0, length)
    const head = text.indexOf('\r\n\r\n')
    const at = text.indexOf('content-length: ')
    if (head < 0 || at < 0 || text.length < head + 4 + parseInt(text.slice(at + 16, at + 24), 10)) {
      this.#partial = text
      return true
    }
    this.#partial = ''
    this.onResponse(Number(text.slice(9, 12)), text)
    return true
  }
}

/** Opens an event stream and calls `onText` with each piece of the response. */
export function openStream(
  port: number,
  token: string,
  after: string | undefined,
  onText: (text: string) => void
): Socket {
  const socket = connect({
    port,
    host: '127.0.0.1',
    noDelay: true,
    onread: {
      buffer: readInto,
      callback(length) {
        onText(readInto.toString('latin1', 0, length))
        return true
      }
    }
  })
  socket.write(
    `GET /v1/events${after === undefined ? '' : `?after=${after}`} HTTP/1.1\r\nhost: bench\r\naccept: text/event-stream\r\nauthorization: Bearer ${token}\r\n\r\n`
  )
  return socket
}
