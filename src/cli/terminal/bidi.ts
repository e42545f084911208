/** Right-to-left characters (the ranges of R, AL and AN in UAX #9), and the controls of direction. */
const DIRECTED =
  /[\u0590-\u08ff\u200e\u200f\u202a-\u202e\u2066-\u2069\ufb1d-\ufdff\ufe70-\ufefe\u{10800}-\u{10fff}\u{1e800}-\u{1efff}]/u
const RIGHT_TO_LEFT =
  /(?!\u061c)[\p{Script=Hebrew}\p{Script=Arabic}\p{Script=Syriac}\p{Script=Thaana}\p{Script=Nko}\p{Script=Adlam}]/u
/** Keyboards of these scripts have them. They draw nothing, and no isolate reaches beyond the name. */
const MARKS = /[\u061c\u200e\u200f\u2066-\u2069]/g
const CONTROLS = /[\u202a-\u202e\u2066-\u2069]/g
const [LRI, RLI, FSI, PDI] = ['\u2066', '\u2067', '\u2068', '\u2069']
/** An embedding or an override begins an isolate instead: it then reorders nothing around it. */
const OPENING: Readonly<Record<string, string>> = {
  '\u202a': LRI,
  '\u202b': RLI,
  '\u202d': LRI,
  '\u202e': RLI,
  [LRI]: LRI,
  [RLI]: RLI,
  [FSI]: FSI
}
const MAX_DEPTH = 8

/**
 * A text on one line, made so that it reads in its own direction and does not reorder the line around it. A
 * control without its partner gets one, or is left out.
 */
export function isolate(text: string): string {
  if (!DIRECTED.test(text)) return text
  let depth = 0
  const balanced = text.replace(CONTROLS, (control) => {
    const opening = OPENING[control]
    if (opening !== undefined) return ++depth <= MAX_DEPTH ? opening : ''
    if (depth === 0) return ''
    return depth-- <= MAX_DEPTH ? PDI : ''
  })
  return `${FSI}${balanced}${PDI.repeat(1 + Math.min(depth, MAX_DEPTH))}`
}

/**
 * A name as people see it: in a name of right-to-left letters nobody sees marks of direction. Two names that differ
 * only in them are one name.
 */
export function withoutMarks(name: string): string {
  return RIGHT_TO_LEFT.test(name) ? name.replace(MARKS, '') : name
}

/** The rows of a line with isolates: each row ends those that are open, and the next begins them again. */
export function isolateRows(rows: readonly string[]): string[] {
  const open: string[] = []
  return rows.map((row) => {
    const before = open.join('')
    for (const [control] of row.matchAll(CONTROLS))
      if (control === PDI) open.pop()
      else open.push(control)
    return `${before}${row}${PDI.repeat(open.length)}`
  })
}
