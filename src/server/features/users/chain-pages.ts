import { sql } from 'drizzle-orm'
import type { UserChainsRequest } from '../../../protocol/accounts.js'
import type { SignedStatement } from '../../../protocol/schema.js'
import type { Db } from '../../db/database.js'
import { Problem } from '../../http/problem.js'
import { keysOf, signingKeys } from './queries.js'

/** A statement has at most 1 KiB, so that a page has at most 512 KiB of them. */
const PAGE_STATEMENTS = 512

type Asked = UserChainsRequest['users'][number]

export interface ChainItem {
  username: string
  head: string
  items: SignedStatement[]
  keys: string[]
}

interface Row {
  /** Place in the request, from 1. */
  place: number
  username: string
  head: string
  /** Sequence of the head. */
  last: number
  /** This and the rest: null in the one row of a user without new statements. */
  sequence: number | null
  text: string | null
  signatures: Record<string, string> | null
}

/**
 * The new statements of users' chains, and whether there are more: the page after it begins at the cursor.
 *
 * @throws {Problem} `invalid-cursor`
 */
export async function readChains(
  db: Db,
  asked: readonly Asked[],
  cursor: string | undefined
): Promise<{ items: ChainItem[]; next: string | null }> {
  const rest = remaining(asked, cursor)
  const rows = await newStatements(db, rest.users)
  const items = new Map<number, ChainItem>()
  for (const { place, username, head, text, signatures } of rows) {
    let item = items.get(place)
    if (item === undefined) items.set(place, (item = { username, head, items: [], keys: [] }))
    if (text !== null && signatures !== null) item.items.push({ text, signatures })
  }
  const found = [...items.values()]
  const keys = await signingKeys(
    db,
    found.flatMap((item) => item.items)
  )
  for (const item of found) item.keys = keysOf(item.items, keys)
  return { items: found, next: nextCursor(rows, rest.skipped, asked.length) }
}

/** The users that a page begins with. A cursor names a place in the request, and a sequence. */
function remaining(asked: readonly Asked[], cursor: string | undefined): { users: Asked[]; skipped: number } {
  if (cursor === undefined) return { users: [...asked], skipped: 0 }
  const [, place, sequence] = /^([0-9]{1,3})-([0-9]{1,4})$/.exec(cursor) ?? []
  const skipped = Number(place)
  const first = asked[skipped]
  if (first === undefined) throw new Problem('invalid-cursor')
  const after = Math.max(first.after, Number(sequence))
  return { users: [{ ...first, after }, ...asked.slice(skipped + 1)], skipped }
}

/** The first statements that fill a page. Users without new ones have a row each. */
async function newStatements(db: Db, asked: readonly Asked[]): Promise<Row[]> {
  const usernames = sql.param(asked.map(({ username }) => username))
  const afters = sql.param(asked.map(({ after }) => after))
  const result: unknown = await db.execute(sql`
    with found as (
      select a.place::int, a.after, u.id, u.username, u.chain_head, u.chain_sequence,
        sum(greatest(u.chain_sequence - a.after, 0)) over (order by a.place)
          - greatest(u.chain_sequence - a.after, 0) as before
      from unnest(${usernames}::text[], ${afters}::int[]) with ordinality a(username, after, place)
      join users u on u.username = a.username
    )
    select f.place, f.username, f.chain_head as head, f.chain_sequence as last,
      s.sequence, s.text, s.signatures
    from found f left join lateral (
      select * from user_statements
      where user_id = f.id and sequence > f.after
      order by sequence limit greatest(${PAGE_STATEMENTS} - f.before, 0)
    ) s on true
    where f.before < ${PAGE_STATEMENTS}
    order by f.place, s.sequence`)
  return (result as { rows: Row[] }).rows
}

/** The cursor after these rows; null if they are all that there is. */
function nextCursor(rows: readonly Row[], skipped: number, asked: number): string | null {
  const end = rows.at(-1)
  const statements = rows.filter(({ sequence }) => sequence !== null).length
  if (end === undefined || statements < PAGE_STATEMENTS) return null
  const place = skipped + end.place
  if (end.sequence !== null && end.sequence < end.last) return `${place - 1}-${end.sequence}`
  return place < asked ? `${place}-0` : null
}
