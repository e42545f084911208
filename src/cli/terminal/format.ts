import { cells } from './width.js'

/** A longer cell of a table does not widen its column: it is a title that pushes all others away. */
const MAX_WIDTH = 40

/** Lines with columns that are as wide as their widest cell. The cells are sanitized already. */
export function formatTable(rows: readonly (readonly string[])[]): string[] {
  const widths =
    rows[0]?.map((_, at) =>
      Math.max(...rows.map((row) => cells(row[at]!)).filter((each) => each <= MAX_WIDTH), 0)
    ) ?? []
  return rows.map((row) =>
    row
      .map((cell, at) => cell + ' '.repeat(Math.max(0, widths[at]! - cells(cell))))
      .join('  ')
      .trimEnd()
  )
}

const UNITS = [
  ['week', 604_800],
  ['day', 86_400],
  ['hour', 3600],
  ['minute', 60],
  ['second', 1]
] as const

/** `7 days`, `90 seconds`: in the largest unit that needs no fraction. */
export function formatDuration(seconds: number): string {
  const [unit, length] = UNITS.find(([, length]) => seconds % length === 0)!
  const count = seconds / length
  return `${count} ${unit}${count === 1 ? '' : 's'}`
}

/** A time of the protocol in the user's time zone: `2026-05-04 21:07`. */
export function formatTime(iso: string): string {
  const time = new Date(iso)
  const two = (number: number) => String(number).padStart(2, '0')
  const day = [time.getFullYear(), two(time.getMonth() + 1), two(time.getDate())].join('-')
  return `${day} ${two(time.getHours())}:${two(time.getMinutes())}`
}
