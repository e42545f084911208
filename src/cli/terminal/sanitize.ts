/**
 * What others wrote must not reach the terminal as it is: control characters move the cursor, set titles or paste
 * commands, and bidirectional controls make a line read as what it is not. Each becomes U+FFFD.
 */
const UNSAFE = /[\p{Cc}\p{Cs}\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufff9-\ufffb]/gu

/** Colours, as programs write them whose output was sent along (ECMA-48, SGR). */
// eslint-disable-next-line no-control-regex -- it is what has to go
const COLOURS = /\u001b\[[\d;:]*m/g

/** For names and titles: one line. */
export function sanitize(text: string): string {
  return text.replace(UNSAFE, '\ufffd')
}

/** For messages: lines and tabs stay, further lines are indented by `indent` so that none passes for another's. */
export function sanitizeLines(text: string, indent = ''): string {
  return text
    .replace(COLOURS, '')
    .replaceAll('\r\n', '\n')
    .split('\n')
    .map((line) => line.split('\t').map(sanitize).join('\t'))
    .join(`\n${indent}`)
}

/** For scripts: on one line, and harmless on a terminal too, where JSON alone leaves C1 and bidirectional controls. */
export function sanitizedJson(value: unknown): string {
  const escape = (unsafe: string) => `\\u${unsafe.charCodeAt(0).toString(16).padStart(4, '0')}`
  return JSON.stringify(value).replace(UNSAFE, escape)
}
