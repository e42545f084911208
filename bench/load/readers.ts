import type { Socket } from 'node:net'
import { openStream } from './connection.js'

const MARK = 'data: {"id":"'
const ID = 36

/** Event streams that are only searched for the ids of messages. */
export class Readers {
  onMessage: (id: string, stream: number) => void = () => undefined
  readonly #sockets: Socket[] = []
  #broken: Error | undefined

  /** Open a stream for each token, `atOnce` at a time. Resolves when all are open. */
  async open(port: number, tokens: readonly string[], atOnce: number, after?: string): Promise<void> {
    let next = 0
    const opener = async () => {
      for (let n = next++; n < tokens.length; n = next++) await this.#open(port, tokens[n]!, n, after)
    }
    await Promise.all(Array.from({ length: atOnce }, opener))
  }

  /** @throws {Error} if a stream has broken */
  check(): void {
    if (this.#broken !== undefined) throw this.#broken
  }

  close(): void {
    for (const socket of this.#sockets) socket.removeAllListeners('close').destroy()
    this.#sockets.length = 0
  }

  #open(port: number, token: string, n: number, after?: string): Promise<void> {
    return new Promise((resolve, reject) => {
      let head: string | null = ''
      let rest = ''
      const socket = openStream(port, token, after, (text) => {
        if (head === null) return (rest = this.#scan(rest + text, n))
        head += text
        const at = head.indexOf('\r\n\r\n')
        // Missed events come before `ready`.
        if (after === undefined ? !head.includes('event: ready') : at < 0) return
        rest = this.#scan(head.slice(at), n)
        head = null
        resolve()
      })
      this.#sockets.push(socket)
      socket.on('error', () => undefined)
      socket.on('close', () => {
        this.#broken = new Error(`a stream broke: ${head ?? 'after it was ready'}`)
        reject(this.#broken)
      })
    })
  }

  /** @returns the end of the text, which may hold the start of an id */
  #scan(text: string, stream: number): string {
    let from = 0
    for (;;) {
      const at = text.indexOf(MARK, from)
      if (at < 0) return text.slice(Math.max(from, text.length - MARK.length + 1))
      const end = at + MARK.length + ID
      if (end > text.length) return text.slice(at)
      this.onMessage(text.slice(end - ID, end), stream)
      from = end
    }
  }
}
