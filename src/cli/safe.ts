/**
 * What others wrote must not reach the terminal as it is: control characters move the cursor, set titles or paste
 * commands, and bidirectional controls make a line read as what it is not. Each becomes U+FFFD.
 */
const UNSAFE = /[\p{Cc}\p{Cs}\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufff9-\ufffb]/gu

/** For names and titles: one line. */
export function safe(text: string): string {
  return text.replace(UNSAFE, '\ufffd')
}

/** For messages: lines and tabs stay, further lines are indented by `indent` so that none passes for another's. */
export function safeLines(text: string, indent = ''): string {
  return text
    .replaceAll('\r\n', '\n')
    .split('\n')
    .map((line) => line.split('\t').map(safe).join('\t'))
    .join(`\n${indent}`)
}
