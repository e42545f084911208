/** Lines with columns that are as wide as their widest cell. */
export function formatTable(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0]?.map((_, at) => Math.max(...rows.map((row) => row[at]!.length))) ?? []
  return rows.map((row) =>
    row
      .map((cell, at) => cell.padEnd(widths[at]!))
      .join('  ')
      .trimEnd()
  )
}

/** A fingerprint in groups of eight digits, for people to compare. */
export function formatFingerprint(fingerprint: string): string {
  return fingerprint.match(/.{1,8}/g)?.join(' ') ?? ''
}

/** A time of the protocol in the user's time zone: `2026-05-04 21:07`. */
export function formatTime(iso: string): string {
  const time = new Date(iso)
  const two = (number: number) => String(number).padStart(2, '0')
  const day = [time.getFullYear(), two(time.getMonth() + 1), two(time.getDate())].join('-')
  return `${day} ${two(time.getHours())}:${two(time.getMinutes())}`
}
