import { eastAsianWidth } from 'get-east-asian-width'

const graphemes = new Intl.Segmenter('en', { granularity: 'grapheme' })
const ASCII = /^[ -~]*$/
/** The styles of `style.ts` (ECMA-48, SGR). */
// eslint-disable-next-line no-control-regex -- the pattern is for control characters
const STYLES = /\u001b\[[\d;]*m/g
/** Drawn over the character before, or not at all; but some signs are drawn, and U+FE0F makes an emoji wide. */
const WITHOUT_CELL = /^(?!\ufe0f|[\u00ad\u0600-\u0605\u06dd\u070f\u08e2])[\p{Mn}\p{Me}\p{Cf}]$/u
const EMOJI = /^\p{Emoji_Presentation}$/u
/** Emoji of several characters that terminals draw as one picture. TypeScript does not know the flag yet. */
const EMOJI_SEQUENCE = new RegExp(String.raw`^\p{RGI_Emoji}$`, 'v')

/** The characters of a text as people count them (UAX #29). */
export function graphemesOf(text: string): string[] {
  return ASCII.test(text) ? [...text] : Array.from(graphemes.segment(text), ({ segment }) => segment)
}

/** More characters than these are not looked at to find where one ends: some sequences never do. */
const MAX_GRAPHEME = 64

/**
 * Where the character begins that has the code unit at `index`. To look at that place only costs little, while
 * to divide a long text into characters takes some microseconds for each of them.
 */
export function graphemeAt(text: string, index: number): { start: number; text: string } {
  const part = text.slice(0, index + MAX_GRAPHEME)
  if (ASCII.test(part)) return { start: index, text: part.charAt(index) }
  const { index: start, segment } = graphemes.segment(part).containing(index)!
  return { start, text: segment }
}

/** The cells of a terminal that a text takes on most terminals. Styles take none. */
export function cells(text: string): number {
  const each = graphemesOf(text.replace(STYLES, ''))
  return each.reduce((sum, one) => sum + (EMOJI_SEQUENCE.test(one) ? 2 : mostCells(one)), 0)
}

/** The most cells that a text can take: some terminals draw the parts of an emoji side by side. */
export function mostCells(text: string): number {
  const plain = text.replace(STYLES, '')
  if (ASCII.test(plain)) return plain.length
  let sum = 0
  for (const character of plain)
    if (!WITHOUT_CELL.test(character))
      sum += EMOJI.test(character) ? 2 : eastAsianWidth(character.codePointAt(0)!)
  return sum
}
