import { randomBytes, randomUUID } from 'node:crypto'
import { and, desc, eq, gt, inArray, isNull, lt, ne, sql, type SQL } from 'drizzle-orm'
import type { AccountKind, ServerRole } from '../../protocol/accounts.js'
import type { Invite } from '../../protocol/invites.js'
import type { Db, Tx } from '../db/database.js'
import { invites, inviteUses, users } from '../db/schema.js'
import { hashOfToken } from './tokens.js'

/** Most names that the list shows for one invitation. */
const SHOWN_USES = 100
const TOKEN_BYTES = 16

/** The id of the invitation for the first account. It admits nobody else. */
export const FIRST_ACCOUNT_INVITE = '00000000-0000-4000-8000-000000000001'

export type InviteRow = typeof invites.$inferSelect

export interface NewInvite {
  /** By default a random one. */
  id?: string
  /** A user's id; null if the operator makes it. */
  createdBy: string | null
  note: string
  maxUses: number
  /** Until it expires. */
  days: number
  kind: AccountKind
  /** Only an admin's or the operator's invitation makes an admin: see `isFromAdmin`. */
  role: ServerRole
}

export interface ListedInvite {
  invite: InviteRow
  /** Null if the operator made it. */
  createdBy: string | null
  /** The newest ones. */
  usedBy: { username: string; usedAt: Date }[]
}

/** An invitation as the API shows it to its maker. */
export function inviteView({ invite, usedBy }: Pick<ListedInvite, 'invite' | 'usedBy'>): Invite {
  const { id, note, kind, maxUses, uses } = invite
  return {
    id,
    note,
    kind,
    maxUses,
    uses,
    usedBy: usedBy.map(({ username, usedAt }) => ({ username, usedAt: usedAt.toISOString() })),
    createdAt: invite.createdAt.toISOString(),
    expiresAt: invite.expiresAt.toISOString(),
    revokedAt: invite.revokedAt?.toISOString() ?? null
  }
}

/** Make an invitation. @returns the token too, which is kept only as a hash */
export async function createInvite(
  db: Db,
  { days, ...values }: NewInvite
): Promise<{ invite: InviteRow; token: string }> {
  const token = randomBytes(TOKEN_BYTES).toString('base64url')
  const expiresAt = sql`now() + ${days} * interval '1 day'`
  const [invite] = await db
    .insert(invites)
    .values({ id: randomUUID(), tokenHash: hashOfToken(token), ...values, expiresAt })
    .returning()
  return { invite: invite!, token }
}

/**
 * Invitations, newest first, with who came by them.
 *
 * @param by only those of this user, or of the operator (null)
 * @param options.after the id of the last one of the page before
 */
export async function listInvites(
  db: Db,
  by: { createdBy?: string | null },
  { after, limit }: { after?: string; limit: number }
): Promise<ListedInvite[]> {
  const place = sql`(${invites.createdAt}, ${invites.id})`
  const rows = await db
    .select({ invite: invites, createdBy: users.username })
    .from(invites)
    .leftJoin(users, eq(users.id, invites.createdBy))
    .where(
      and(
        madeBy(by.createdBy),
        after === undefined
          ? undefined
          : sql`${place} < (select i.created_at, i.id from ${invites} i where i.id = ${after})`
      )
    )
    .orderBy(desc(invites.createdAt), desc(invites.id))
    .limit(limit)
  const ids = rows.map(({ invite }) => invite.id)
  const usedBy = await newestUses(db, ids)
  return rows.map((row) => ({ ...row, usedBy: usedBy.get(row.invite.id)! }))
}

/** @param by only if it is of this user @returns false if there is no such invitation */
export async function revokeInvite(db: Db, id: string, by: { createdBy?: string }): Promise<boolean> {
  const rows = await db
    .update(invites)
    .set({ revokedAt: sql`coalesce(${invites.revokedAt}, now())` })
    .where(and(eq(invites.id, id), madeBy(by.createdBy)))
    .returning({ id: invites.id })
  return rows.length > 0
}

/** Whether a token admits somebody now. `useInvite` asks again. */
export async function isUsableInvite(db: Db, token: string, rule: { onlyAdmins: boolean }): Promise<boolean> {
  const rows = await db
    .select({ id: invites.id })
    .from(invites)
    .where(and(eq(invites.tokenHash, hashOfToken(token)), isOpen(rule)))
  return rows.length > 0
}

/**
 * Count a use, in the transaction that makes the account and has asked whether it is the first one. No more than
 * `maxUses` of many at once get through: each waits for the row, and looks at the condition again.
 *
 * @param rule.onlyAdmins whether invitations of members count for nothing
 * @returns null if it has no use left, has expired, was revoked, or there is none
 */
export async function useInvite(
  tx: Tx,
  token: string,
  rule: { onlyAdmins: boolean }
): Promise<InviteRow | null> {
  const [invite] = await tx
    .update(invites)
    .set({ uses: sql`${invites.uses} + 1` })
    .where(and(eq(invites.tokenHash, hashOfToken(token)), isOpen(rule)))
    .returning()
  return invite ?? null
}

/** Remember who came by an invitation. */
export async function recordUse(tx: Tx, inviteId: string, userId: string): Promise<void> {
  await tx.insert(inviteUses).values({ inviteId, userId })
}

/**
 * SQL: whether an invitation admits somebody. One of a user who was suspended or is gone admits nobody, nor does that for
 * the first account when there is one.
 */
function isOpen({ onlyAdmins }: { onlyAdmins: boolean }): SQL {
  const makerIs = (role: SQL) =>
    sql`exists (select from ${users} where ${users.id} = ${invites.createdBy}
      and ${users.suspendedAt} is null and ${users.erasedAt} is null and ${role})`
  const isFromAdmin = sql`(${invites.createdBy} is null or ${makerIs(sql`${users.role} = 'admin'`)})`
  const isFromMember = sql`(${invites.role} = 'member' and ${makerIs(sql`true`)})`
  return and(
    lt(invites.uses, invites.maxUses),
    gt(invites.expiresAt, sql`now()`),
    isNull(invites.revokedAt),
    sql`(${ne(invites.id, FIRST_ACCOUNT_INVITE)} or not exists (select from ${users}))`,
    onlyAdmins ? isFromAdmin : sql`(${isFromAdmin} or ${isFromMember})`
  )!
}

function madeBy(createdBy: string | null | undefined): SQL | undefined {
  if (createdBy === undefined) return undefined
  return createdBy === null ? isNull(invites.createdBy) : eq(invites.createdBy, createdBy)
}

async function newestUses(db: Db, ids: string[]): Promise<Map<string, ListedInvite['usedBy']>> {
  if (ids.length === 0) return new Map()
  const ranked = db
    .select({
      inviteId: inviteUses.inviteId,
      userId: inviteUses.userId,
      usedAt: inviteUses.usedAt,
      rank: sql<number>`row_number() over (partition by ${inviteUses.inviteId} order by ${inviteUses.usedAt} desc)`.as(
        'rank'
      )
    })
    .from(inviteUses)
    .where(inArray(inviteUses.inviteId, ids))
    .as('ranked')
  const rows = await db
    .select({ inviteId: ranked.inviteId, username: users.username, usedAt: ranked.usedAt })
    .from(ranked)
    .innerJoin(users, eq(users.id, ranked.userId))
    .where(lt(ranked.rank, SHOWN_USES + 1))
    .orderBy(desc(ranked.usedAt))
  const found = new Map<string, ListedInvite['usedBy']>(ids.map((id) => [id, []]))
  for (const { inviteId, username, usedAt } of rows) found.get(inviteId)!.push({ username, usedAt })
  return found
}
