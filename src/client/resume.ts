import { inTurn } from './transport/in-turn.js'
import type { Outbox } from './outbox/outbox.js'

interface Resumable {
  resume: () => Promise<unknown>
}

/**
 * Go on with whatever was interrupted. One part that cannot go on keeps back no other one, and is told at the end.
 *
 * @returns the ids of the messages that were sent
 */
export async function resumeAll(
  outbox: Outbox,
  before: readonly Resumable[],
  after: readonly Resumable[]
): Promise<string[]> {
  let sent: string[] = []
  const flush = async (): Promise<void> => {
    const flushed = await outbox.flush()
    sent = flushed.sent
    if (flushed.error !== null) throw flushed.error
  }
  await inTurn([...before, { resume: flush }, ...after].map((part) => () => part.resume()))
  return sent
}
