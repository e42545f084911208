import { sql, type SQL } from 'drizzle-orm'
import type { Db } from '../../db/database.js'
import { arrayOf, rows } from '../../db/rows.js'
import type { Section } from './export-tables.js'

/**
 * Places of a section, and whole rows, that the export reads at once. The longest rows have 6 KiB. A search for places
 * reads all rows of the user, so it finds many of them.
 */
const AT_ONCE = { places: 20_000, rows: 200 }

/** The columns of a row's key. */
type Place = readonly string[]

/** The lines of a section, page by page: each page is a statement of its own, and holds nothing afterwards. */
export async function* sectionPages(
  db: Db,
  section: Section,
  userId: string,
  atOnce = AT_ONCE
): AsyncGenerator<string[]> {
  for (let after: Place | null = null; ;) {
    const places: Place[] = await placesAfter(db, section, userId, after, atOnce.places)
    for (let at = 0; at < places.length; at += atOnce.rows)
      yield await linesAt(db, section, userId, places.slice(at, at + atOnce.rows))
    if (places.length < atOnce.places) return
    after = places.at(-1)!
  }
}

async function placesAfter(
  db: Db,
  section: Section,
  userId: string,
  after: Place | null,
  limit: number
): Promise<Place[]> {
  const columns = Object.keys(section.key)
  const types = Object.values(section.key)
  const order = sql.raw(columns.join(', '))
  const texts = sql.raw(columns.map((column) => `${column}::text`).join(', '))
  const values = after?.map((value, n) => sql`${value}::${sql.raw(types[n]!)}`)
  const beyond = values === undefined ? sql`true` : sql`(${order}) > (${sql.join(values, sql`, `)})`
  const found = await rows<{ place: Place }>(
    db,
    sql`
select json_build_array(${texts}) as place ${ofUser(section, userId)} and ${beyond} order by ${order} limit ${limit}::int`
  )
  return found.map(({ place }) => place)
}

async function linesAt(
  db: Db,
  section: Section,
  userId: string,
  places: readonly Place[]
): Promise<string[]> {
  const { kind, key, fields } = section
  const shown = Object.entries(fields).map(([name, value]) => `'${name}', ${value}`)
  const line = sql.raw(`json_build_object('kind', '${kind}', ${shown.join(', ')})::text`)
  const values = Object.values(key).map(
    (type, n) => sql`${arrayOf(places.map((place) => place[n]!))}::${sql.raw(type)}[]`
  )
  const names = Object.keys(key).map((_, n) => `k${n}`)
  const wanted = sql`unnest(${sql.join(values, sql`, `)}) with ordinality as at(${sql.raw(names.join(', '))}, n)`
  const isWanted = Object.keys(key).map((column, n) => `${column} = at.k${n}`)
  const found = await rows<{ line: string }>(
    db,
    sql`
select ${line} as line ${ofUser(section, userId, wanted)} and ${sql.raw(isWanted.join(' and '))} order by at.n`
  )
  return found.map((row) => row.line)
}

/** SQL: the rows of the user. Whatever follows with `and` holds for all of them. */
function ofUser({ from, where }: Section, userId: string, also?: SQL): SQL {
  const tables = also === undefined ? sql.raw(from) : sql`${also}, ${sql.raw(from)}`
  return sql`from (select ${userId}::uuid as id) me, ${tables} where (${sql.raw(where)})`
}
