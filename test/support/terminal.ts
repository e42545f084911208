import { PassThrough, Writable } from 'node:stream'
import { DEADLINE_MS } from './eventually.js'

const ESCAPE = String.fromCharCode(27)
/** A control sequence, or a character. */
const TOKEN = new RegExp(`${ESCAPE}\\[\\??[0-9;]*[A-Za-z]|[^]`, 'gu')
/** The rules of a terminal, apart from those of the product. */
const NO_CELL = /^(?!\u00ad)[\p{Mn}\p{Me}\p{Cf}]$/u
const WIDE =
  /^(?![\uff61-\uffdc])[\p{Emoji_Presentation}\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\u1100-\u115f\uac00-\ud7a3\u3000-\u303e\uff01-\uff60]$/u
const AMBIGUOUS = /^[\p{Script=Cyrillic}\p{Script=Greek}±§×]$/u

/** How a terminal counts the cells of characters that terminals do not agree on. */
export interface Cells {
  /** It draws emoji that are joined as one picture. */
  joinsEmoji?: boolean
  /** Characters of ambiguous width take two cells, as East Asian fonts have them. */
  ambiguousAreWide?: boolean
}

/** A terminal's screen that only grows. It knows the control sequences that readline and `print` use. */
export class Terminal extends Writable {
  readonly isTTY = true
  columns: number
  readonly #cells: Cells
  /** Each row's cells. The second cell of a wide character is empty. */
  readonly #rows: string[][] = [[]]
  #wrapsLines = true
  #row = 0
  #column = 0
  #changed: () => void = () => undefined

  constructor(columns = 80, cells: Cells = {}) {
    super({ decodeStrings: false })
    this.columns = columns
    this.#cells = cells
  }

  /** The window gets another width. Rows that are on the screen stay as they are. */
  resize(columns: number): void {
    this.columns = columns
    this.emit('resize')
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
    const width = this.#widthOf(letter)
    if (width > 0 && this.#column + width > this.columns) {
      if (this.#wrapsLines) this.#down()
      else this.#column = Math.max(0, this.columns - width)
    }
    const row = this.#rows[this.#row]!
    while (row.length < this.#column) row.push(' ')
    if (width === 0) {
      const before = row.findLastIndex((cell, at) => at < this.#column && cell !== '')
      if (before >= 0) row[before] += letter
      return
    }
    row[this.#column] = letter
    if (width === 2) row[this.#column + 1] = ''
    this.#column += width
  }

  #widthOf(letter: string): number {
    if (NO_CELL.test(letter)) return 0
    const before = this.#rows[this.#row]!.slice(0, this.#column).join('')
    if (this.#cells.joinsEmoji === true && /\p{Emoji_Presentation}\u200d$/u.test(before)) return 0
    if (this.#cells.ambiguousAreWide === true && AMBIGUOUS.test(letter)) return 2
    return WIDE.test(letter) ? 2 : 1
  }

  /** Raw mode leaves the terminal to add the carriage return. */
  #down(): void {
    this.#column = 0
    this.#row++
    if (this.#row === this.#rows.length) this.#rows.push([])
  }

  /** Wrapping at the end of a row, and the cursor's being seen, which nobody sees here. */
  #mode(mode: string): void {
    if (mode === '7h' || mode === '7l') this.#wrapsLines = mode === '7h'
    else if (!mode.startsWith('25') && !mode.startsWith('2004'))
      throw new Error(`the screen does not know mode ${mode}`)
  }

  #control(sequence: string): void {
    if (sequence.startsWith(`${ESCAPE}[?`)) return this.#mode(sequence.slice(3))
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
