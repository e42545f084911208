import { PassThrough, Writable } from 'node:stream'
import { DEADLINE_MS } from './eventually.js'

const ESCAPE = String.fromCharCode(27)
/** A control sequence, or a character. */
const TOKEN = new RegExp(`${ESCAPE}\\[[0-9;]*[A-Za-z]|[^]`, 'gu')

/** A terminal's screen that only grows. It knows the control sequences that readline uses. */
export class Terminal extends Writable {
  readonly isTTY = true
  readonly columns: number
  readonly #rows: string[][] = [[]]
  #row = 0
  #column = 0
  #changed: () => void = () => undefined

  constructor(columns = 80) {
    super({ decodeStrings: false })
    this.columns = columns
  }

  override _write(chunk: string | Buffer, _: BufferEncoding, done: () => void): void {
    for (const [token] of chunk.toString().matchAll(TOKEN)) this.#take(token)
    this.#changed()
    done()
  }

  /** The rows of the screen, without styles and the blanks at their ends. */
  get lines(): string[] {
    return this.#rows.map((row) => row.join('').trimEnd())
  }

  /** Resolves when the whole screen fits. @throws with the screen when that takes too long */
  async until(fits: RegExp): Promise<string> {
    const deadline = Date.now() + DEADLINE_MS
    for (;;) {
      const screen = this.lines.join('\n')
      if (fits.test(screen)) return screen
      const left = deadline - Date.now()
      if (left <= 0) throw new Error(`${fits.source} is not on the screen:\n${screen}`)
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left)
        this.#changed = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
  }

  #take(token: string): void {
    if (token.startsWith(`${ESCAPE}[`)) this.#control(token)
    else if (token === '\n') this.#down()
    else if (token === '\r') this.#column = 0
    else if (token < ' ') throw new Error(`the screen does not know ${JSON.stringify(token)}`)
    else this.#put(token)
  }

  #put(letter: string): void {
    if (this.#column === this.columns) this.#down()
    const row = this.#rows[this.#row]!
    while (row.length < this.#column) row.push(' ')
    row[this.#column++] = letter
  }

  /** Raw mode leaves the terminal to add the carriage return. */
  #down(): void {
    this.#column = 0
    this.#row++
    if (this.#row === this.#rows.length) this.#rows.push([])
  }

  #control(sequence: string): void {
    const count = Number(sequence.slice(2, -1) || 1)
    switch (sequence.at(-1)) {
      case 'A':
        this.#row = Math.max(0, this.#row - count)
        break
      case 'B':
        this.#row = Math.min(this.#rows.length - 1, this.#row + count)
        break
      case 'C':
        this.#column = Math.min(this.columns, this.#column + count)
        break
      case 'D':
        this.#column = Math.max(0, this.#column - count)
        break
      case 'G':
        this.#column = count - 1
        break
      case 'J':
        this.#rows.length = this.#row + 1
        this.#rows[this.#row]!.length = Math.min(this.#rows[this.#row]!.length, this.#column)
        break
      case 'K':
        this.#rows[this.#row]!.length = 0
        break
      case 'm':
        break
      default:
        throw new Error(`the screen does not know ${JSON.stringify(sequence)}`)
    }
  }
}

/** A terminal's keyboard. */
export class Keyboard extends PassThrough {
  readonly isTTY = true

  setRawMode(): this {
    return this
  }

  /** Type a line, and Enter. */
  enter(line: string): void {
    this.write(`${line}\r`)
  }
}
