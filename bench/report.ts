export interface Line extends Figure {
  section: string
}

/** One measured value. */
export interface Figure {
  name: string
  value: number
  unit: string
  /** The value that it is compared with, in the same unit and from the same run. */
  baseline?: number
  /** Value divided by baseline. */
  ratio?: number
  target?: Target
}

/** The bound that the value, the ratio, or the value minus the baseline has to meet. */
export interface Target {
  of: 'value' | 'ratio' | 'difference'
  atLeast?: number
  atMost?: number
}

/** Whether a figure meets its target; undefined if it has none. */
function isOk({ value, ratio, baseline, target }: Figure): boolean | undefined {
  if (target === undefined) return undefined
  const measured = { value, ratio: ratio ?? NaN, difference: value - (baseline ?? NaN) }[target.of]
  return measured >= (target.atLeast ?? -Infinity) && measured <= (target.atMost ?? Infinity)
}

const headings = ['name', 'value', 'baseline', 'ratio', 'target', 'ok']
const widths = [62, 16, 12, 7, 22, 3]

export function heading(): string {
  return `${row(headings)}\n${widths.map((width) => '-'.repeat(width)).join('  ')}`
}

export function asText(line: Line): string {
  return row(cells(line))
}

/** Name, value, baseline, ratio, target, and whether it is reached. */
export function cells(line: Line): string[] {
  const { name, value, unit, baseline, ratio } = line
  const ok = isOk(line)
  return [
    name,
    `${digits(value)} ${unit}`,
    baseline === undefined ? '' : digits(baseline),
    ratio === undefined ? '' : ratio.toFixed(2),
    targetText(line.target),
    ok === undefined ? '' : ok ? 'yes' : 'NO'
  ]
}

export function asJson(line: Line): string {
  const target = line.target && { target: targetText(line.target) }
  return JSON.stringify({ ...line, ...target, ok: isOk(line), command: `npm run bench -- ${line.section}` })
}

function targetText(target: Target | undefined): string {
  if (target === undefined) return ''
  const { of, atLeast, atMost } = target
  const bound = atLeast === undefined ? `≤ ${of === 'difference' ? '+' : ''}${atMost}` : `≥ ${atLeast}`
  return of === 'value' ? bound : of === 'ratio' ? `ratio ${bound}` : `${bound} on baseline`
}

function row(cells: readonly string[]): string {
  return cells
    .map((cell, n) => (n === 0 ? cell.padEnd(widths[n]!) : cell.padStart(widths[n]!)))
    .join('  ')
    .trimEnd()
}

function digits(value: number): string {
  const places = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2
  return value.toLocaleString('en', { maximumFractionDigits: places, minimumFractionDigits: places })
}
