import { createServer, request, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Scope } from './server-process.js'

/** One JSON answer of the server on its way to a client. */
export interface Answer extends Asked {
  status: number
  // Each call has an answer of its own shape.
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  body: any
}

/** One frame of an event stream on its way to a client. */
export interface Frame {
  readonly event: string
  readonly id: string | undefined
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  readonly data: any
}

export interface Asked {
  readonly method: string
  /** With its query. */
  readonly path: string
}

/** What something else than the server answers. */
export interface Foreign {
  status: number
  headers?: Record<string, string>
  body?: string
}

export interface Tampering {
  /** Something in between answers this, and the server is not asked. */
  instead?: (asked: Asked) => Foreign | undefined
  /** The server does what was asked, and its answer is lost on the way. */
  loses?: (asked: Asked) => boolean
  /** Something in between holds back a stream: its head, its body, or what comes after its first event. */
  holds?: 'head' | 'body' | 'rest'
  /** Change the answer in place. */
  answer?: (answer: Answer) => void
  /** The frames that the client gets in place of this one. */
  frame?: (frame: Frame) => Frame[]
}

/** A server that lies, or what stands between: it passes everything on to an honest one, and changes what comes back. */
export class TamperingProxy {
  readonly url: string
  #tampering: Tampering = {}
  readonly #streams = new Set<ServerResponse>()

  constructor(url: string) {
    this.url = url
  }

  /** From now on, until the next call, tamper in this way; with `{}` not at all. */
  tamper(tampering: Tampering): void {
    this.#tampering = tampering
  }

  /** Break off the streams. */
  cut(): void {
    for (const stream of this.#streams) stream.destroy()
    this.#streams.clear()
  }

  pass(incoming: IncomingMessage, outgoing: ServerResponse, target: string): void {
    const { method = 'GET', url: path = '/', headers } = incoming
    const foreign = this.#tampering.instead?.({ method, path })
    if (foreign !== undefined) {
      outgoing.writeHead(foreign.status, { 'content-type': 'text/html', ...foreign.headers })
      return void outgoing.end(foreign.body ?? '<h1>Welcome to the hotel</h1>')
    }
    const onward = request(new URL(path, target), { method, headers, agent: false }, (answer) => {
      if (this.#tampering.loses?.({ method, path }) === true) return void outgoing.destroy()
      const status = answer.statusCode!
      const type = answer.headers['content-type'] ?? ''
      if (type.startsWith('text/event-stream')) {
        this.#streams.add(outgoing)
        if (this.#tampering.holds === 'head') return
        outgoing.writeHead(status, answer.headers)
        outgoing.flushHeaders()
        if (this.#tampering.holds !== 'body') this.#passFrames(answer, outgoing)
      } else void this.#passAnswer(answer, outgoing, { method, path, status, body: type.includes('json') })
    })
    onward.on('error', () => outgoing.destroy())
    outgoing.on('close', () => onward.destroy())
    incoming.pipe(onward)
  }

  async #passAnswer(answer: IncomingMessage, outgoing: ServerResponse, about: Answer): Promise<void> {
    const chunks: Buffer[] = []
    for await (const chunk of answer) chunks.push(chunk as Buffer)
    let bytes = Buffer.concat(chunks)
    let { status } = about
    if (about.body === true && bytes.length > 0) {
      const changed = { ...about, body: JSON.parse(bytes.toString()) as unknown }
      this.#tampering.answer?.(changed)
      bytes = Buffer.from(JSON.stringify(changed.body))
      status = changed.status
    }
    const problem = status >= 400 && { 'content-type': 'application/problem+json' }
    const headers = { ...answer.headers, ...problem, 'content-length': bytes.length }
    delete headers['transfer-encoding']
    outgoing.writeHead(status, headers)
    outgoing.end(bytes)
  }

  #passFrames(answer: IncomingMessage, outgoing: ServerResponse): void {
    const { holds } = this.#tampering
    let [text, isHeld] = ['', false]
    answer.setEncoding('utf8')
    answer.on('data', (more: string) => {
      text += more
      for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
        const frame = text.slice(0, end + 2)
        text = text.slice(end + 2)
        if (holds !== 'rest') outgoing.write(this.#frame(frame))
        else if (!isHeld) {
          // In pieces of its own choice.
          setTimeout(() => outgoing.write(this.#frame(frame)), frame.startsWith('retry') ? 0 : 50)
          isHeld = frame.includes('event: ')
        }
      }
    })
    answer.on('close', () => outgoing.destroy())
  }

  #frame(text: string): string {
    const field = (name: string) => new RegExp(`^${name}: (.*)$`, 'm').exec(text)?.[1]
    const [event, data, id] = [field('event'), field('data'), field('id')]
    if (event === undefined || data === undefined || this.#tampering.frame === undefined) return text
    return this.#tampering
      .frame({ event, id, data: JSON.parse(data) as unknown })
      .map((one) => {
        const first = one.id === undefined ? '' : `id: ${one.id}\n`
        return `${first}event: ${one.event}\ndata: ${JSON.stringify(one.data)}\n\n`
      })
      .join('')
  }
}

/** A lying server in front of the one at `target`; it ends with its owner. */
export async function tamperingProxy(owner: Scope, target: string): Promise<TamperingProxy> {
  const server = createServer((incoming, outgoing) => proxy.pass(incoming, outgoing, target))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const proxy = new TamperingProxy(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  owner.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return proxy
}
