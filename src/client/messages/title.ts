import type { Core } from '../core.js'
import { readHistory } from './history.js'

/** New messages that are read in one request; where there are more, the newest are read first. */
const FEW = 50
/** So far back a title is looked for. */
const LOOK_BACK = 1000

/**
 * What a group is called now. A title is said in a message: what came since the last look is read.
 *
 * @returns null if no title was said in what this device can read
 */
export async function readTitle(core: Core, conversationId: string): Promise<string | null> {
  const { titleReadTo = 0 } = await core.rooms.get(conversationId)
  const readTo =
    titleReadTo === 0
      ? await readBackward(core, conversationId, titleReadTo)
      : await readForward(core, conversationId, titleReadTo)
  await core.rooms.titleIsReadTo(conversationId, readTo)
  return (await core.rooms.get(conversationId)).title
}

/** @returns the position up to which all was read; the same for `readBackward` */
async function readForward(core: Core, conversationId: string, after: number): Promise<number> {
  let readTo = after
  let count = 0
  for await (const item of readHistory(core, conversationId, { after, limit: FEW })) {
    if (!('position' in item)) continue
    readTo = item.position
    count++
  }
  return count < FEW ? readTo : readBackward(core, conversationId, readTo)
}

/** Until a title, which is the newest then. */
async function readBackward(core: Core, conversationId: string, until: number): Promise<number> {
  let newest = until
  for await (const item of readHistory(core, conversationId, { limit: LOOK_BACK })) {
    if (!('position' in item)) continue
    newest = Math.max(newest, item.position)
    if (item.position <= until || (item.type === 'message' && item.content.type === 'title')) break
  }
  return newest
}
