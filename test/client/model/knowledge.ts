import { CONVERSATION_STATEMENTS } from '../../../src/client/conversations/verify.js'
import { readHistory } from '../../../src/client/identity/user-record.js'
import { parseStatement } from '../../../src/protocol/parse-statement.js'
import type { ConversationStatement } from '../../../src/protocol/statements.js'
import type { Device } from './device.js'

/** Who a device knows to have gone, by its own store. */
export interface Knowledge {
  /** Signing keys of devices that were revoked or reset away. */
  gone: ReadonlySet<string>
  /** Users who have been removed, by conversation. Those who have left sign it themselves: they are not here. */
  removed: ReadonlyMap<string, ReadonlyMap<string, Removal>>
}

/** The last removal of a user from a conversation. */
interface Removal {
  /** The number of its statement. */
  sequence: number
  /** Whether the user was added again. */
  isBack: boolean
}

export async function knowledgeOf({ store, world }: Device): Promise<Knowledge> {
  const gone = new Set<string>()
  for (const { name } of world.people)
    for (const [print, { retired }] of (await readHistory(store, name))?.devices ?? [])
      if (retired !== null) gone.add(print)
  const removed = new Map<string, Map<string, Removal>>()
  for (const [, { text }] of await store.list<{ text: string }>('chain/')) {
    const statement = parseStatement(text, CONVERSATION_STATEMENTS)
    const out = removed.get(statement.conversation) ?? new Map<string, Removal>()
    removed.set(statement.conversation, out)
    note(out, statement)
  }
  return { gone, removed }
}

function note(out: Map<string, Removal>, statement: ConversationStatement): void {
  const { sequence } = statement
  if (statement.kind === 'conversation-remove') out.set(statement.username, { sequence, isBack: false })
  const before = statement.kind === 'conversation-add' && out.get(statement.member.username)
  if (before) before.isBack = true
}
