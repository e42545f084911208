import { desc, sql } from 'drizzle-orm'
import type { Db, Tx } from '../db/database.js'
import { notices } from '../db/schema.js'
import type { NewEvent } from '../log/append-events.js'
import { NOTICE_CHANGED } from '../log/entry.js'
import type { Log } from '../log/index.js'

/** What the operator tells all users, in plain text. */
export interface OperatorNotice {
  text: string
  at: string
}

/** The notice of the operator, in memory: everybody asks for it. The log keeps it true in all processes. */
export class NoticeBoard {
  #current: OperatorNotice | null = null

  static async open(db: Db, log: Pick<Log, 'listen'>): Promise<NoticeBoard> {
    const board = new NoticeBoard()
    let isKnown = false
    log.listen((entries) => {
      for (const entry of entries) {
        if (entry.type !== NOTICE_CHANGED) continue
        isKnown = true
        board.#current = (JSON.parse(entry.json()) as { notice: OperatorNotice | null }).notice
      }
    })
    const [stored] = await db.select().from(notices).orderBy(desc(notices.at)).limit(1)
    // The log is newer than the table.
    if (!isKnown && stored !== undefined) board.#current = view(stored)
    return board
  }

  get current(): OperatorNotice | null {
    return this.#current
  }
}

/**
 * Set another notice, or none.
 *
 * @returns the event to append
 */
export async function changeNotice(tx: Tx, text: string | null): Promise<NewEvent> {
  // If two change it at once, the second one counts.
  await tx.execute(sql`lock table ${notices} in exclusive mode`)
  await tx.delete(notices)
  const [row] =
    text === null
      ? []
      : await tx
          .insert(notices)
          .values({ text, at: sql`clock_timestamp()` })
          .returning()
  return {
    type: NOTICE_CHANGED,
    data: { notice: row === undefined ? null : view(row) },
    to: 'processes'
  }
}

function view({ text, at }: typeof notices.$inferSelect): OperatorNotice {
  return { text, at: at.toISOString() }
}
