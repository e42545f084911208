/**
 * Characters that must not reach a terminal: control characters move the cursor, set titles or paste
 * commands, and bidirectional controls make a line read differently. Each becomes U+FFFD.
 */
const UNSAFE = /[\p{Cc}\p{Cs}\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufff9-\ufffb]/gu

/** Colours (ECMA-48, SGR): people send the output of programs, and it contains them. */
// eslint-disable-next-line no-control-regex -- the pattern is for control characters
const COLOURS = /\u001b\[[\d;:]*m/g

/** A name or a title, on one line. */
export function sanitize(text: string): string {
  return text.replace(UNSAFE, '\ufffd')
}

/** A message, with its lines and tabs. `indent` keeps further lines from looking like other messages. */
export function sanitizeLines(text: string, indent = ''): string {
  return text
    .replace(COLOURS, '')
    .replaceAll('\r\n', '\n')
    .split('\n')
    .map((line) => line.split('\t').map(sanitize).join('\t'))
    .join(`\n${indent}`)
}

/** JSON on one line. JSON.stringify does not escape C1 and bidirectional controls. */
export function sanitizedJson(value: unknown): string {
  const escape = (unsafe: string) => `\\u${unsafe.charCodeAt(0).toString(16).padStart(4, '0')}`
  return JSON.stringify(value).replace(UNSAFE, escape)
}
