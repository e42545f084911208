import { and, asc, eq, inArray, isNull, sql } from 'drizzle-orm'
import type { NewSessionKey, Roster } from '../../protocol/conversations.js'
import { Problem } from '../http/problem.js'
import { parseStatement, rosterText } from '../../protocol/statements.js'
import { requireSigningDevice } from './signing-device.js'
import type { DeviceSession } from '../access/auth.js'
import { duplicateOf } from '../db/errors.js'
import type { Db, Tx } from '../db/database.js'
import { conversations, devices, memberships, sessionKeyWraps, sessionKeys, users } from '../db/schema.js'
import type { ConversationRow } from './memberships.js'
import { requireLine } from './user-chain-store.js'
import { sha256Hex } from './public-keys.js'
import type { NewEvent } from '../log/append-events.js'

/** Bytes of a body with a wrap for each of thousands of devices. */
export const WRAPS_BODY_LIMIT = 16 * 2 ** 20

/** Rows of one INSERT: PostgreSQL takes 65,535 parameters. */
const ROWS_PER_INSERT = 5000

export interface RosterRow {
  username: string
  role: 'admin' | 'member'
  root: string
  userId: string
  /** Null in the one row of a member without any device to wrap for. */
  device: typeof devices.$inferSelect | null
}

/**
 * The members of a conversation, in the order in which they joined, each with the active devices that a
 * session key must cover. A member whose root is no longer the user's current one has none.
 */
export async function readRoster(db: Db, conversationId: string): Promise<RosterRow[]> {
  const rows = await db
    .select({
      username: users.username,
      role: memberships.role,
      root: memberships.root,
      userId: users.id,
      device: devices
    })
    .from(memberships)
    .innerJoin(users, eq(users.id, memberships.userId))
    .leftJoin(
      devices,
      and(eq(devices.userId, users.id), eq(devices.status, 'active'), eq(memberships.root, users.root))
    )
    .where(and(eq(memberships.conversationId, conversationId), isNull(memberships.leftAt)))
    .orderBy(asc(memberships.joinedAt), asc(users.username), asc(devices.createdAt), asc(devices.id))
  return rows
}

/** The roster as the API shows it. */
export function rosterView(
  { chainHead: head, sessionKeyId, rekeyRequired }: ConversationRow,
  rows: readonly RosterRow[]
): Roster {
  const members = new Map<string, Roster['members'][number]>()
  for (const { username, role, root, device } of rows) {
    let member = members.get(username)
    if (member === undefined) members.set(username, (member = { username, role, root, devices: [] }))
    if (device === null) continue
    const { id, signingKey, encryptionKey, encryptionVersion } = device
    member.devices.push({ id, signingKey, encryptionKey, encryptionVersion })
  }
  return { head, members: [...members.values()], sessionKeyId, rekeyRequired }
}

/** A session key of a conversation by its id. */
export async function findSessionKey(db: Db, conversationId: string, id: string) {
  const [key] = await db
    .select()
    .from(sessionKeys)
    .where(and(eq(sessionKeys.id, id), eq(sessionKeys.conversationId, conversationId)))
  return key
}

/**
 * Make a session key the current one of a conversation. The transaction has locked the caller's user row and
 * the conversation's.
 *
 * @returns the event to append
 * @throws {Problem} `stale-roster` unless it is made on the chain's head for exactly the current roster
 */
export async function acceptSessionKey(
  tx: Tx,
  conversation: { id: string; chainHead: string },
  session: DeviceSession,
  body: NewSessionKey
): Promise<NewEvent> {
  const statement = parseStatement(body.statement.text, ['session-key'])
  requireLine('conversation', statement.conversation, conversation.id)
  requireLine('session-key', statement.sessionKey, body.id)
  await requireSigningDevice(tx, session, statement.by, body.statement)

  const roster = (await readRoster(tx, conversation.id)).flatMap(({ device }) => device ?? [])
  // A member whose root has changed cannot make keys: the conversation does not know the new identity.
  if (!roster.some(({ id }) => id === session.deviceId)) throw new Problem('not-in-roster')
  requireCurrentRoster(conversation.chainHead, statement, roster, body)
  const wraps = new Map(body.wraps.map(({ deviceId, wrappedKey }) => [deviceId, wrappedKey]))
  const { text, signatures } = body.statement
  await tx
    .insert(sessionKeys)
    .values({ id: body.id, conversationId: conversation.id, text, signatures })
    .catch((error: unknown) => {
      throw duplicateOf(error) === 'session_keys_pkey' ? new Problem('id-conflict') : error
    })
  await insertWraps(
    tx,
    roster.map((device) => wrapRow(body.id, device, wraps.get(device.id)!, true))
  )
  await tx
    .update(conversations)
    .set({ sessionKeyId: body.id, rekeyRequired: false })
    .where(eq(conversations.id, conversation.id))
  return {
    type: 'session-key.created',
    data: { conversationId: conversation.id, sessionKeyId: body.id, statement: body.statement },
    to: { conversation: conversation.id }
  }
}

/**
 * Statement and wraps have to be for exactly these devices, at this head.
 *
 * @throws {Problem} `stale-roster`; `invalid-request` for two wraps of one device
 */
function requireCurrentRoster(
  head: string,
  statement: { head: string; roster: string },
  roster: readonly (typeof devices.$inferSelect)[],
  { wraps }: NewSessionKey
): void {
  const given = new Set(wraps.map(({ deviceId }) => deviceId))
  if (given.size < wraps.length)
    throw new Problem('invalid-request', 'There are two wraps for the same device in `wraps`.')
  const due = new Set(roster.map(({ id }) => id))
  const missing = [...due].filter((id) => !given.has(id))
  const unexpected = [...given].filter((id) => !due.has(id))
  const hash = sha256Hex(
    rosterText(
      roster.map((device) => ({
        signingKey: device.signingFingerprint,
        encryptionKey: device.encryptionFingerprint
      }))
    )
  )
  if (statement.head !== head || missing.length + unexpected.length > 0 || statement.roster !== hash)
    throw new Problem('stale-roster', undefined, { head, missing, unexpected })
}

/**
 * @throws {Problem} `invalid-request` if the wrap can't be one for this device: RSA output has the key's size
 */
export function wrapRow(
  sessionKeyId: string,
  device: typeof devices.$inferSelect,
  wrappedKey: string,
  inRoster: boolean
): typeof sessionKeyWraps.$inferInsert {
  const bytes = Buffer.from(wrappedKey, 'base64')
  const size = modulusBytes(device.encryptionKey)
  if (bytes.length !== size)
    throw new Problem('invalid-request', `The wrap for device ${device.id} must have ${size} bytes.`)
  return {
    sessionKeyId,
    deviceId: device.id,
    wrappedKey: bytes,
    wrappedFor: device.encryptionFingerprint,
    signingFingerprint: device.signingFingerprint,
    encryptionFingerprint: device.encryptionFingerprint,
    inRoster
  }
}

/** Derived from the length of the canonical SPKI, since parsing each key is slow. */
function modulusBytes(pem: string): number {
  const der = Buffer.byteLength(pem.replace(/-----[^-]+-----|\s/g, ''), 'base64')
  return der > 500 ? 512 : der > 400 ? 384 : 256
}

/** Insert wraps. They replace those that were added later, or that are for an older encryption key. */
export async function insertWraps(tx: Tx, rows: (typeof sessionKeyWraps.$inferInsert)[]): Promise<void> {
  for (let at = 0; at < rows.length; at += ROWS_PER_INSERT)
    await tx
      .insert(sessionKeyWraps)
      .values(rows.slice(at, at + ROWS_PER_INSERT))
      .onConflictDoUpdate({
        target: [sessionKeyWraps.sessionKeyId, sessionKeyWraps.deviceId],
        set: { wrappedKey: sql`excluded.wrapped_key`, wrappedFor: sql`excluded.wrapped_for` },
        setWhere: sql`not ${sessionKeyWraps.inRoster} or ${sessionKeyWraps.wrappedFor} <> excluded.wrapped_for`
      })
}

/**
 * Mark the session keys of all conversations of a user as out of date, because the user's devices have
 * changed.
 */
export async function requireRekey(tx: Tx, userId: string): Promise<void> {
  const mine = tx
    .select({ id: memberships.conversationId })
    .from(memberships)
    .where(and(eq(memberships.userId, userId), isNull(memberships.leftAt)))
  const locked = await tx
    .select({ id: conversations.id })
    .from(conversations)
    .where(inArray(conversations.id, mine))
    .orderBy(asc(conversations.id))
    .for('no key update')
  if (locked.length === 0) return
  await tx.update(conversations).set({ rekeyRequired: true }).where(inArray(conversations.id, mine))
}
