/** A line that was entered in a chat. */
export type Entered = { command: string; argument: string } | { text: string }

/** @returns null for a line of blanks. `//` begins a message that begins with `/`. */
export function readEntered(line: string): Entered | null {
  if (line.trim() === '') return null
  if (!/^\/(?!\/)/.test(line)) return { text: line.replace(/^\/\//, '/') }
  const [, command = '', argument = ''] = /^\/([a-z]*)(?:\s+(.*?))?\s*$/.exec(line) ?? []
  return { command, argument }
}
