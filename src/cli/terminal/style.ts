import type { Io } from './io.js'

/** Select Graphic Rendition (ECMA-48): what begins a style, and what ends it. */
const styles = {
  bold: [1, 22],
  dim: [2, 22],
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
  blue: [34, 39],
  magenta: [35, 39],
  cyan: [36, 39]
} as const

export type StyleName = keyof typeof styles

/** Text in a style, or as it is. It has to be sanitized already. */
export type Style = (style: StyleName, text: string) => string

/** Styles on a terminal that has them, unless `NO_COLOR` is set (no-color.org). */
export function createStyle({ env, stdout }: Pick<Io, 'env' | 'stdout'>): Style {
  if (stdout.isTTY !== true || env['NO_COLOR'] || env['TERM'] === 'dumb') return (_, text) => text
  return (style, text) => {
    const [begin, end] = styles[style]
    return `\u001b[${begin}m${text}\u001b[${end}m`
  }
}

const people = ['cyan', 'magenta', 'green', 'blue', 'yellow'] as const

/** The colour of a person's name: always the same one. Red is for warnings. */
export function nameStyle(username: string): StyleName {
  const sum = [...username].reduce((total, letter) => (total * 31 + letter.codePointAt(0)!) % 65_521, 7)
  return people[sum % people.length]!
}
