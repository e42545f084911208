import { sql, type SQL } from 'drizzle-orm'
import type { PgDatabase, PgQueryResultHKT } from 'drizzle-orm/pg-core'

/**
 * The rows of a statement past the query builder, which is too slow for wide ones. The statement converts
 * bigints and times itself: the drivers give them in different types.
 */
export async function rows<Row>(
  db: Pick<PgDatabase<PgQueryResultHKT>, 'execute'>,
  statement: SQL
): Promise<Row[]> {
  const result: unknown = await db.execute(statement)
  return (result as { rows: Row[] }).rows
}

/**
 * A text array as one parameter. No value may contain a comma. With a parameter for each value, 65,535 would be
 * the limit.
 */
export function arrayOf(values: readonly (string | number | boolean)[]): SQL {
  return sql`string_to_array(${values.join(',')}, ',')`
}
