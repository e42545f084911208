import { createHash } from 'node:crypto'
import { sql } from 'drizzle-orm'
import type { Roster } from '../../../protocol/conversations.js'
import type { PublicDevice } from '../../../protocol/devices.js'
import type { Role } from '../../../protocol/statements.js'
import type { Tx } from '../../db/database.js'
import { rows } from '../../db/rows.js'
import { base64 } from '../../log/entry.js'
import { after, rekeyRequired, type MemberPlace } from './queries.js'

/** Rows of a page: a member, with or without a device, whose keys have at most 3 KiB. No user has as many devices. */
const ROWS = 320

interface Summary extends Omit<Roster, 'members' | 'next'> {
  /** Hash over where all members' chains end. */
  states: string
}

/** A conversation and its members at one moment, for the maker of a session key. */
export interface RosterSummary {
  view: Omit<Roster, 'members' | 'next'>
  /** Changes with everything that a roster shows. */
  etag: string
}

/** All pages of a roster have the same tag, so a reader notices when it changes in between. */
export async function readRosterSummary(tx: Tx, conversationId: string): Promise<RosterSummary> {
  const [summary] = await rows<Summary>(
    tx,
    sql`
select c.chain_head as head, c.chain_sequence as sequence, c.session_key_id as "sessionKeyId", k.hash as key,
  ${sql.raw(rekeyRequired)} as "rekeyRequired",
  (select encode(sha256(convert_to(string_agg(u.chain_head, ' ' order by m.joined_at, m.place), 'UTF8')), 'hex')
   from memberships m join users u on u.id = m.user_id
   where m.conversation_id = c.id and m.left_at is null) as states
from conversations c join session_keys k on k.id = c.session_key_id
where c.id = ${conversationId}::uuid`
  )
  const { states, ...view } = summary!
  const text = [view.head, view.rekeyRequired, states].join(' ')
  return { view, etag: `"${createHash('sha256').update(text).digest('base64url')}"` }
}

interface Row extends MemberPlace {
  username: string
  role: Role
  root: string
  sequence: number
  head: string
  /** This and the rest are null in the one row of a member without devices that count. */
  id: string | null
  signingKey: string
  encryptionKey: string
  kemKey: string | null
  encryptionVersion: number
}

type RosterMember = Roster['members'][number]

/** A page of a conversation's members with their devices, in the order in which they joined. */
export async function readRosterMembers(
  tx: Tx,
  conversationId: string,
  place: MemberPlace
): Promise<{ members: RosterMember[]; next: MemberPlace | null }> {
  const found = await rows<Row>(
    tx,
    sql`
select m.joined_at::float8 as "joinedAt", m.place, u.username, m.role, m.root,
  u.chain_sequence as sequence, u.chain_head as head, d.id, d.signing_key as "signingKey",
  d.encryption_key as "encryptionKey", ${sql.raw(base64('d.kem_key'))} as "kemKey",
  d.encryption_version as "encryptionVersion"
from (
  select * from memberships m
  where m.conversation_id = ${conversationId}::uuid and m.left_at is null and ${after(place)}
  order by m.joined_at, m.place limit ${ROWS}::int
) m
join users u on u.id = m.user_id
left join devices d on d.user_id = u.id and d.status = 'active' and m.root = u.root
order by m.joined_at, m.place, d.created_at, d.id limit ${ROWS}::int`
  )
  const whole =
    found.length < ROWS ? found : found.filter(({ username }) => username !== found.at(-1)!.username)
  const members = new Map<string, RosterMember>()
  for (const row of whole) {
    let member = members.get(row.username)
    if (member === undefined) members.set(row.username, (member = toMember(row)))
    if (row.id !== null) member.devices.push(toDevice(row, row.id))
  }
  return { members: [...members.values()], next: found.length < ROWS ? null : whole.at(-1)! }
}

function toMember({ username, role, root, sequence, head }: Row): RosterMember {
  return { username, role, root, chain: { sequence, head }, devices: [] }
}

function toDevice({ signingKey, encryptionKey, kemKey, encryptionVersion }: Row, id: string): PublicDevice {
  return { id, signingKey, encryptionKey, ...(kemKey !== null && { kemKey }), encryptionVersion }
}
