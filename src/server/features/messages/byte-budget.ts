import { inArray } from 'drizzle-orm'
import { base64Bytes } from '../../../protocol/ids.js'
import { spendOfDay } from '../../access/daily-budget.js'
import type { WindowCounter } from '../../access/window-counter.js'
import type { Db } from '../../db/database.js'
import { events } from '../../db/schema.js'
import type { GroupCommit, SendResult } from '../../log/group-commit.js'
import type { OutgoingMessage } from '../../log/message.js'

interface Parts {
  /** Bytes of ciphertext that were stored. */
  stored: WindowCounter
  db: Db
  send: GroupCommit['send']
}

/**
 * Store messages of a user, whose ciphertext counts for the day. Nothing counts that is not stored, and no repeat.
 *
 * @throws {Problem} `too-many-requests` if they do not fit into the day: then none is stored
 */
export async function sendWithinBudget(
  { stored, db, send }: Parts,
  userId: string,
  messages: readonly OutgoingMessage[]
): Promise<SendResult[]> {
  const spend = (bytes: number) => {
    spendOfDay({ counter: stored, userId, amount: bytes, may: 'You may send', things: 'bytes of ciphertext' })
    return bytes
  }
  let spent = stored.has(userId, bytesOf(messages))
    ? spend(bytesOf(messages))
    : // Only now is it worth a look whether they are repeats.
      spend(bytesOf(await notStored(db, messages)))
  try {
    const results = await send(messages)
    spent -= bytesOf(messages.filter((_, index) => results[index]!.verdict === 'stored'))
    return results
  } finally {
    stored.takeBack(userId, spent)
  }
}

async function notStored(db: Db, messages: readonly OutgoingMessage[]): Promise<OutgoingMessage[]> {
  const ids = messages.map(({ id }) => id)
  const found = await db.select({ id: events.messageId }).from(events).where(inArray(events.messageId, ids))
  const known = new Set(found.map(({ id }) => id))
  return messages.filter(({ id }) => !known.has(id))
}

function bytesOf(messages: readonly OutgoingMessage[]): number {
  return messages.reduce((sum, { ciphertext }) => sum + base64Bytes(ciphertext), 0)
}
