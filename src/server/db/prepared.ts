import type { PGlite } from '@electric-sql/pglite'
import type { PreparedStatement } from './database.js'

/**
 * Hot statements keep the plan that was made first. Made while a table was a page or two, it would scan that table
 * when it has grown, until the next ANALYZE: 50 times as slow after 20,000 messages. Without scans there is nothing
 * for JIT to speed up, and the few that are left would look dear enough to be compiled each time.
 */
export const KEEP_TO_INDEXES = 'set enable_seqscan = off; set jit = off'

/**
 * A parameter that holds many values, joined by commas. As a sub-select its length is not known when the statement is
 * planned: all batches then look alike and share one plan, where a small one would be planned anew, which takes longer
 * than to run it.
 */
export const listOf = (parameter: number) => `(select string_to_array($${parameter}, ','))`

/**
 * Hot statements on PGlite, which prepares none by itself: to plan SEND takes it 3 ms, in which the process stands
 * still, and to run it 1 ms.
 */
export function preparedBy(pglite: PGlite) {
  const prepared = new Map<string, Promise<unknown>>()
  return async <Row>({ name, text }: PreparedStatement, values: unknown[]): Promise<Row[]> => {
    let preparing = prepared.get(name)
    if (preparing === undefined) {
      preparing = pglite.exec(`prepare "${name}" as ${text}`)
      prepared.set(name, preparing)
      preparing.catch(() => prepared.delete(name))
    }
    await preparing
    const list = values.length === 0 ? '' : `(${values.map(literal).join(', ')})`
    return (await pglite.query<Row>(`execute "${name}"${list}`)).rows
  }
}

/** As in SQL: EXECUTE takes no parameters. */
function literal(value: unknown): string {
  if (typeof value === 'number' || value === null) return String(value)
  return `'${(value as string).replaceAll("'", "''")}'`
}
