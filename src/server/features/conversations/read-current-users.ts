import { sql } from 'drizzle-orm'
import type { ChainState } from '../../../protocol/conversation-chain.js'
import { wrapBytes } from '../../../protocol/kem.js'
import type { ChangeStatement } from '../../../protocol/statements.js'
import type { DeviceSession } from '../../access/auth.js'
import { ADDED_DEVICE_MINUTES, modulusBytes } from '../../chains/rosters.js'
import type { SigningDevice } from '../../chains/signing-device.js'
import type { Tx } from '../../db/database.js'
import { arrayOf, rows } from '../../db/rows.js'
import { CurrentUsers, type CurrentDevice, type RecentAdds } from './current-users.js'
import type { ParsedRequest } from './request.js'
import type { CurrentUser, StoredChain } from './stored-chain.js'

export interface KnownUsers {
  users: CurrentUsers
  /** The highest sequences that a session key ever named, of users whom the request names and who are not in. */
  floors: ReadonlyMap<string, number>
}

/** Read what users' chains say today, as far as a request needs it. The transaction holds user chains. */
export async function readCurrentUsers(
  tx: Tx,
  { username }: DeviceSession,
  device: SigningDevice,
  stored: StoredChain | null,
  { conversationId, request }: ParsedRequest
): Promise<KnownUsers> {
  const members = stored?.members ?? new Map<string, never>()
  const users = new Map([...members].map(([name, { user }]) => [name, user]))
  const caller = { username, device }
  if ('leave' in request)
    return {
      users: new CurrentUsers({ users, members, devices: [], recentAdds: [], caller }),
      floors: new Map()
    }
  const lines = request.key.statement.state
  const named = [...lines, ...request.changes.flatMap(({ statement }) => namedUsers(statement))]
  const others = new Set(named.map((line) => line.username).filter((name) => !members.has(name)))
  const strangers = await readUsers(tx, conversationId, [...others])
  for (const { user } of strangers) users.set(user.username, user)

  const states = new Map<string, ChainState>([...members].map(([name, { state }]) => [name, state]))
  for (const line of lines) states.set(line.username, line)
  const recentAdds = await readRecentAdds(tx, users, states)
  const devices = await readDevices(tx, [...users.values()])
  return {
    users: new CurrentUsers({ users, members, devices, recentAdds, caller }),
    floors: new Map(strangers.map(({ user, floor }) => [user.username, floor]))
  }
}

function namedUsers(statement: ChangeStatement): { username: string }[] {
  if ('members' in statement) return statement.members
  return 'member' in statement ? [statement.member] : []
}

/** Users who are not in. One who is erased can't come in any more. */
async function readUsers(
  tx: Tx,
  conversationId: string,
  usernames: readonly string[]
): Promise<{ user: CurrentUser; floor: number }[]> {
  const found = await rows<CurrentUser & { floor: number }>(
    tx,
    sql`
select u.id as "userId", u.username, u.root, u.chain_sequence as sequence, u.chain_head as head,
  coalesce((select max(m.state_sequence) from memberships m
            where m.user_id = u.id and m.conversation_id = ${conversationId}::uuid), 0) as floor
from users u where u.username = any (${arrayOf(usernames)}) and u.erased_at is null`
  )
  return found.map(({ floor, ...user }) => ({ user, floor }))
}

/** The states that are not today's, but behind which only recent `device-add` statements follow. */
async function readRecentAdds(
  tx: Tx,
  users: ReadonlyMap<string, CurrentUser>,
  states: ReadonlyMap<string, ChainState>
): Promise<RecentAdds[]> {
  const older = [...states].flatMap(([username, { sequence, head }]) => {
    const user = users.get(username)
    return user !== undefined && sequence < user.sequence
      ? [{ id: user.userId, username, sequence, head }]
      : []
  })
  if (older.length === 0) return []
  const found = await rows<{ username: string; devices: string[]; until: number }>(
    tx,
    sql`
with recent as materialized (
  select s.* from json_to_recordset(${JSON.stringify(older)}::json)
    as s(id uuid, username text, sequence int, head text)
  where not exists (
      select from user_statements a
      where a.user_id = s.id and a.sequence > s.sequence
        and (a.kind <> 'device-add' or a.created_at <= now() - ${ADDED_DEVICE_MINUTES}::int * interval '1 minute'))
    and exists (
      select from user_statements b
      where b.user_id = s.id and b.sequence = s.sequence
        and encode(sha256(convert_to(b.text, 'UTF8')), 'hex') = s.head)
)
select s.username, array_agg(a.device_id) as devices,
  extract(epoch from min(a.created_at) + ${ADDED_DEVICE_MINUTES}::int * interval '1 minute')::float8 as until
from recent s join user_statements a on a.user_id = s.id and a.sequence > s.sequence
group by s.username`
  )
  return found.map(({ username, devices, until }) => {
    const { sequence, head } = states.get(username)!
    return { username, state: { sequence, head }, devices: new Set(devices), until }
  })
}

type DeviceRow = Omit<CurrentDevice, 'wrapBytes'> & { modulusBytes: number }

async function readDevices(tx: Tx, users: readonly CurrentUser[]): Promise<CurrentDevice[]> {
  const found = await rows<DeviceRow>(
    tx,
    sql`
select d.id, d.user_id as "userId", d.purpose, d.signing_fingerprint as "signingKey",
  d.encryption_fingerprint as "encryptionKey", d.kem_fingerprint as "kemKey",
  d.encryption_version as "encryptionVersion", ${sql.raw(modulusBytes('d.encryption_key'))} as "modulusBytes",
  u.erased_at is not null as "isErased"
from devices d join users u on u.id = d.user_id
where d.user_id = any (${arrayOf(users.map(({ userId }) => userId))}::uuid[]) and d.status = 'active'
order by d.created_at, d.id`
  )
  return found.map(({ modulusBytes: bytes, ...device }) => ({
    ...device,
    wrapBytes: wrapBytes(8 * bytes, device.kemKey !== '-')
  }))
}
