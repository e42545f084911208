import {
  foldConversation,
  type Incoming,
  type IncomingMessage,
  type MessageRef,
  type ReceivedContent
} from '../../client/index.js'

/** Content that devices send to devices. */
const FOR_DEVICES = ['trust', 'welcome', 'lacks', 'hello', 'void'] as const
type ForDevices = Extract<ReceivedContent, { type: (typeof FOR_DEVICES)[number] }>

/** What people see of a message. `taken-back` stands in the place of what its author has taken back. */
export type ShownContent = Exclude<ReceivedContent, ForDevices> | { type: 'taken-back' }

export type ShownMessage = Omit<IncomingMessage, 'content'> & { content: ShownContent }
export type ShownItem = ShownMessage | Exclude<Incoming, IncomingMessage>

/** Whether only devices read it. */
export function isForDevices(content: ReceivedContent): content is ForDevices {
  return FOR_DEVICES.some((type) => type === content.type)
}

/**
 * Items of one conversation as people see them: without messages for devices, and without the text of messages
 * that their authors take back in the same items.
 */
export function forPeople(items: readonly Incoming[]): ShownItem[] {
  const messages = items.filter((item) => item.type === 'message')
  const takenBack = new Set(
    foldConversation(messages)
      .messages.filter(({ isRetracted }) => isRetracted)
      .map(nameOf)
  )
  return items.flatMap((item) => (item.type === 'message' ? shown(item, takenBack) : [item]))
}

function shown(message: IncomingMessage, takenBack: ReadonlySet<string>): ShownItem[] {
  const { content } = message
  if (isForDevices(content)) return []
  if (takenBack.has(nameOf(message))) return [{ ...message, content: { type: 'taken-back' } }]
  const isOfTakenBack =
    (content.type === 'retract' || content.type === 'edit') && takenBack.has(nameOf(content.ref))
  return isOfTakenBack ? [] : [{ ...message, content }]
}

function nameOf({ id, digest }: MessageRef): string {
  return `${id} ${digest}`
}
