import { styleText } from 'node:util'
import type { Io } from './io.js'

const nameColours = ['cyan', 'magenta', 'green', 'blue', 'yellow'] as const

export type StyleName = 'bold' | 'dim' | 'red' | (typeof nameColours)[number]

/** Puts a style on sanitized text, where styles are wanted. */
export type Style = (name: StyleName, text: string) => string

/** Styles for a terminal, unless `NO_COLOR` is set (no-color.org). */
export function createStyle({ env, stdout }: Pick<Io, 'env' | 'stdout'>): Style {
  if (stdout.isTTY !== true || env['NO_COLOR'] || env['TERM'] === 'dumb') return (_, text) => text
  // Left to itself, styleText would ask the process's own stdout and environment.
  return (name, text) => styleText(name, text, { validateStream: false })
}

/** The colour of a user's name: always the same one. Red is for failures. */
export function nameStyle(username: string): StyleName {
  const sum = [...username].reduce((total, letter) => (total * 31 + letter.codePointAt(0)!) % 65_521, 7)
  return nameColours[sum % nameColours.length]!
}
