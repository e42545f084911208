import { and, eq, gt, sql } from 'drizzle-orm'
import type { UserStatement } from '../../protocol/statements.js'
import type { UserChain } from '../../protocol/user-chain.js'
import type { Config } from '../config.js'
import type { Tx } from '../db/database.js'
import { userStatements } from '../db/schema.js'
import { Problem } from '../http/problem.js'

type Bounds = Config['devices']

const DAY_SECONDS = 86_400

/** @throws {Problem} `too-many-devices` */
export function requireCapacity({ maxPerUser }: Bounds, { devices }: UserChain): void {
  if (devices.size > maxPerUser)
    throw new Problem(
      'too-many-devices',
      `The limit of active devices of a user is ${maxPerUser} here. Revoke one first.`
    )
}

/**
 * Check that new statements keep to what a user's chain takes of their kinds within 24 hours; of
 * `device-rekey`, for each device. A `device-revoke` has no bound, so that a user can always revoke. The user
 * is locked.
 *
 * @throws {Problem} `too-many-statements` with `until` and `Retry-After`
 */
export async function requireDailyBounds(
  tx: Tx,
  userId: string,
  { perDay }: Bounds,
  statements: readonly UserStatement[]
): Promise<void> {
  if (statements.every(({ kind }) => kind === 'device-revoke')) return
  const recent = await recentStatements(tx, userId)
  for (const { kind, device } of statements) {
    if (kind === 'device-revoke') continue
    const counted = recent.filter(
      (one) => one.kind === kind && (kind !== 'device-rekey' || one.device === device)
    )
    const bound = perDay[kind]
    if (counted.length >= bound) refuse(kind, bound, counted.at(-bound)!.age)
    recent.push({ kind, device, age: 0 })
  }
}

function refuse(kind: keyof Bounds['perDay'], bound: number, age: number): never {
  const seconds = Math.max(1, Math.ceil(DAY_SECONDS - age))
  const until = new Date(Date.now() + seconds * 1000).toISOString()
  const whose = kind === 'device-rekey' ? 'A device' : 'A chain'
  throw new Problem(
    'too-many-statements',
    `${whose} takes ${bound} \`${kind}\` within 24 hours. Try again at ${until}.`,
    { until },
    seconds
  )
}

interface Recent {
  kind: UserStatement['kind']
  device: string
  /** Seconds since it was stored. */
  age: number
}

/** The statements of the last 24 hours, oldest first. */
async function recentStatements(tx: Tx, userId: string): Promise<Recent[]> {
  return tx
    .select({
      kind: userStatements.kind,
      device: userStatements.deviceId,
      age: sql<number>`extract(epoch from now() - ${userStatements.createdAt})::float8`
    })
    .from(userStatements)
    .where(
      and(
        eq(userStatements.userId, userId),
        gt(userStatements.createdAt, sql`now() - ${DAY_SECONDS} * interval '1 second'`)
      )
    )
    .orderBy(userStatements.sequence)
}
