import { isolateRows } from './bidi.js'
import { graphemesOf, mostCells } from './width.js'

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
      else for (const character of graphemesOf(part)) this.#addCharacter(character)
  }

  #addCharacter(character: string): void {
    const cells = mostCells(character)
    // There is no end to what a sequence of characters can join into one.
    if (cells > this.#room && [...character].length > 1)
      return [...character].forEach((part) => this.#addCharacter(part))
    if (cells > this.#left) this.#break()
    this.#add(character, cells)
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
