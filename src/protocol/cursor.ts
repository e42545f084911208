/**
 * A place in the event log: right after `position`, in the log named by `epoch`. Clients treat its text as
 * opaque.
 */
export interface Cursor {
  epoch: string
  position: number
}

export function formatCursor({ epoch, position }: Cursor): string {
  return `${epoch}-${position}`
}

/** @returns `'start'` for the oldest event that is kept; null if the text is not a cursor */
export function parseCursor(text: string): Cursor | 'start' | null {
  if (text === '0') return 'start'
  const match = /^([0-9a-z]{8})-(0|[1-9][0-9]{0,15})$/.exec(text)
  if (match === null) return null
  const position = Number(match[2])
  return Number.isSafeInteger(position) ? { epoch: match[1]!, position } : null
}
