import { isolateRows } from './bidi.js'
import { graphemeAt, graphemesOf, mostCells } from './width.js'

/** Begins every row of a line but its first. */
export const INDENT = '  '
/** Room for the indentation and a wide character. */
const MIN_COLUMNS = 4
const TAB = 8
const WORDS = /[ \t]+|[^ \t]+/g
// eslint-disable-next-line no-control-regex -- the pattern is for control characters
const STYLE = /(\u001b\[[\d;]*m)/

/** Rows of a terminal for sanitized text, which may have several lines. Only a line begins at column 0. */
export function wrap(text: string, columns: number): string[] {
  return text.split('\n').flatMap((line) => {
    if (line.trim() === '') return ['']
    const [first = '', ...others] = isolateRows(new Rows(Math.max(columns, MIN_COLUMNS)).of(line))
    return [first, ...others.map((row) => `${INDENT}${row}`)]
  })
}

/** A sanitized text in one row, which ends with `…` if it is cut. */
export function truncate(text: string, columns: number): string {
  if (mostCells(text) <= columns) return text
  let [row, left] = ['', columns - 1]
  for (const grapheme of graphemesOf(text)) {
    left -= mostCells(grapheme)
    if (left < 0) break
    row += grapheme
  }
  return isolateRows([`${row}…`])[0]!
}

/** The longest beginning that fits, in code units, and its cells. */
function fitting(text: string, room: number): { end: number; cells: number } {
  let [end, cells] = [0, 0]
  for (const character of text) {
    const more = mostCells(character)
    if (cells + more > room) break
    cells += more
    end += character.length
  }
  return { end, cells }
}

/** The rows of one line, without the indentation of the further ones. */
class Rows {
  readonly #columns: number
  readonly #room: number
  readonly #rows: string[] = []
  #row = ''
  #isBlank = true
  #left: number

  constructor(columns: number) {
    this.#columns = columns
    this.#room = columns - INDENT.length
    this.#left = columns
  }

  of(line: string): string[] {
    for (const [word] of line.matchAll(WORDS))
      if (/^[ \t]/.test(word)) this.#addBlanks(word)
      else this.#addWord(word)
    return [...this.#rows, this.#row.trimEnd()]
  }

  #addBlanks(blanks: string): void {
    let count = 0
    for (const blank of blanks)
      count += blank === ' ' ? 1 : TAB - ((this.#columns - this.#left + count) % TAB)
    if (this.#isBlank) count = Math.min(count, Math.floor(this.#columns / 2))
    // Blanks at the end of a row are the break itself.
    this.#row += ' '.repeat(Math.min(count, this.#left))
    this.#left = Math.max(0, this.#left - count)
  }

  #addWord(word: string): void {
    const cells = mostCells(word)
    if (cells > this.#left && cells <= this.#room && !this.#isBlank) this.#break()
    if (cells <= this.#left) return this.#add(word, cells)
    for (const [at, part] of word.split(STYLE).entries())
      if (at % 2 === 1) this.#row += part
      else this.#addCut(part)
  }

  /** A word that goes on in further rows, cut between characters. */
  #addCut(word: string): void {
    for (let rest = word; rest !== '';) {
      const { end, cells } = fitting(rest, this.#left)
      let cut = end
      if (end < rest.length) {
        const { start, text } = graphemeAt(rest, end)
        // There is no end to what a sequence of characters can join into one: a long one is cut inside.
        if (mostCells(text) <= this.#room) cut = start
      }
      if (cut > 0) this.#add(rest.slice(0, cut), cut === end ? cells : mostCells(rest.slice(0, cut)))
      rest = rest.slice(cut)
      if (rest !== '') this.#break()
    }
  }

  #add(text: string, cells: number): void {
    this.#row += text
    this.#left -= cells
    this.#isBlank &&= cells === 0
  }

  #break(): void {
    this.#rows.push(this.#row.trimEnd())
    this.#row = ''
    this.#isBlank = true
    this.#left = this.#room
  }
}
