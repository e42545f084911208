import type { PGlite } from '@electric-sql/pglite'
import type { PreparedStatement } from './database.js'

/**
 * A prepared statement keeps its first plan until the next ANALYZE. Made while a table is a page or two, it
 * would scan the table when that has grown: 50 times as slow after 20,000 messages. Without scans JIT has
 * nothing to speed up, but would compile the few that are left each time, since they seem expensive.
 */
export const KEEP_TO_INDEXES = 'set enable_seqscan = off; set jit = off'

/**
 * SQL: a parameter that holds many values, joined by commas. As it is a sub-select, its length is unknown
 * when the statement is planned, so that batches of all sizes share one plan. Otherwise a small batch would
 * be planned again, which takes longer than running it.
 */
export const listOf = (parameter: number) => `(select string_to_array($${parameter}, ','))`

/**
 * Prepared statements on PGlite. Planning SEND blocks the process for 3 ms each time, running it for 1 ms.
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
