import type { Static, TSchema } from 'typebox'
import * as Type from 'typebox'
import { DeletedMessage, Message } from './messages.js'
import { Kind } from './conversations.js'
import {
  Position,
  SignedStatement,
  Time,
  Username,
  Uuid,
  choice,
  page,
  record,
  ref,
  schemaName
} from './schema.js'

const position = Position('Position of the event in the log.')
const conversationId = Uuid('The conversation’s id.')

const statements = Type.Array(ref(SignedStatement), {
  minItems: 1,
  description: 'The statements of one request, in order.'
})

export const ConversationCreatedEvent = record(
  { position, conversationId, kind: Kind, items: statements },
  { $id: 'ConversationCreatedEvent' }
)
export const ConversationChainEvent = record(
  {
    position,
    conversationId,
    sequence: Type.Integer({ description: 'Sequence of the last of these statements.' }),
    items: statements
  },
  {
    $id: 'ConversationChainEvent',
    description: 'Changes of members or of the timer, and the session key that follows them.'
  }
)
export const MessageDeletedEvent = record(
  { position, conversationId, message: ref(DeletedMessage) },
  {
    $id: 'MessageDeletedEvent',
    description:
      'An admin of the server has deleted a message. It comes twice: in the place of the message, and when it was deleted.'
  }
)
export const SessionKeySharedEvent = record(
  {
    position,
    conversationId,
    sessionKeyId: Uuid('An older session key, wrapped for one more device of the reader.'),
    deviceIds: Type.Array(Uuid('A device that the key was wrapped for.'))
  },
  { $id: 'SessionKeySharedEvent' }
)
export const DeviceRequestedEvent = record(
  {
    position,
    deviceId: Uuid('The pending device.'),
    name: Type.String(),
    statement: ref(SignedStatement)
  },
  { $id: 'DeviceRequestedEvent', description: 'A new device of the user waits for approval by another one.' }
)
export const DeviceChainEvent = record(
  {
    position,
    userId: Uuid('The user whose chain has a new statement.'),
    username: Username,
    sequence: Type.Integer(),
    statement: ref(SignedStatement)
  },
  { $id: 'DeviceChainEvent' }
)
export const UserDeletedEvent = record(
  { position, userId: Uuid('The user whose account is erased.'), username: Username },
  {
    $id: 'UserDeletedEvent',
    description: 'Somebody who shares a conversation with the reader has no account any more.'
  }
)
export const RequestReceivedEvent = record(
  { position, conversationId, by: Username },
  {
    $id: 'RequestReceivedEvent',
    description:
      'A stranger adds the user to a conversation, with the next event: it is a request until the user accepts.'
  }
)
export const RequestAcceptedEvent = record(
  { position, conversationId },
  { $id: 'RequestAcceptedEvent', description: 'The user has accepted a request, with whatever device.' }
)
export const BlockChangedEvent = record(
  {
    position,
    userId: Uuid('The other user.'),
    username: Username,
    blocked: Type.Boolean()
  },
  { $id: 'BlockChangedEvent', description: 'The user has blocked another user, or unblocked them.' }
)
export const ResetEvent = record(
  { position: Position('Position of the oldest event that is kept.') },
  { $id: 'ResetEvent', description: 'Events before this position were deleted, or the log was replaced.' }
)
export const ReadyEvent = record(
  {
    cursor: Type.String({ description: 'The cursor at which this stream starts.' }),
    deviceId: Uuid('The device that the stream belongs to.'),
    keepaliveSeconds: Type.Integer()
  },
  { $id: 'ReadyEvent' }
)
export const PresenceEvent = record(
  {
    userId: Uuid('The user.'),
    username: Username,
    online: Type.Boolean(),
    at: Time('When the status changed.')
  },
  {
    $id: 'PresenceEvent',
    description: 'Somebody has come or gone. Large groups are not told: ask `/v1/presence`.'
  }
)
export const SessionEndedEvent = record(
  { reason: choice(['revoked', 'expired']) },
  { $id: 'SessionEndedEvent', description: 'The session has ended. The server closes the stream.' }
)

/** Events that are kept in the log: each has a cursor in `id:`, and its `position`. */
export const durableEvents = {
  message: Message,
  'message.deleted': MessageDeletedEvent,
  'conversation.created': ConversationCreatedEvent,
  'conversation.chain': ConversationChainEvent,
  'request.received': RequestReceivedEvent,
  'request.accepted': RequestAcceptedEvent,
  'block.changed': BlockChangedEvent,
  'session-key.shared': SessionKeySharedEvent,
  'device.requested': DeviceRequestedEvent,
  'device.chain': DeviceChainEvent,
  'user.deleted': UserDeletedEvent
} as const satisfies Record<string, TSchema>

/** Events that are streamed but not stored. */
export const ephemeralEvents = {
  ready: ReadyEvent,
  reset: ResetEvent,
  presence: PresenceEvent,
  'session.ended': SessionEndedEvent
} as const satisfies Record<string, TSchema>

export type DurableEvent = keyof typeof durableEvents
export type EphemeralEvent = keyof typeof ephemeralEvents

/** A named schema `{event, data, …fields}` for each of the given events. `MessageItem` is one for `message`. */
export function alternatives(
  events: Record<string, TSchema>,
  ending: string,
  dataOf: (schema: TSchema) => TSchema,
  fields: Record<string, TSchema>
) {
  return Object.entries(events).map(([event, schema]) => {
    const name = event.replace(/(?:^|\W)(\w)/g, (_, letter: string) => letter.toUpperCase())
    return record({ event: Type.Literal(event), data: dataOf(schema), ...fields }, { $id: name + ending })
  })
}

/** One of such schemas: `event` tells which. */
export function oneOf<T>(schemas: ReturnType<typeof alternatives>, options: object) {
  const mapping: Record<string, string> = {}
  for (const schema of schemas)
    mapping[schema.properties.event.const] = `#/components/schemas/${schemaName(schema)}`
  return Type.Unsafe<T>({
    oneOf: schemas.map(ref),
    discriminator: { propertyName: 'event', mapping },
    ...options
  })
}

export const eventItems = alternatives({ ...durableEvents, reset: ResetEvent }, 'Item', ref, {
  cursor: Type.String({ description: 'The cursor after this event.' })
})

export const EventItem = oneOf<{ event: string; data: unknown; cursor: string }>(eventItems, {
  $id: 'EventItem',
  description: 'One event of a page.'
})

export type EventPage = Static<typeof EventPage>
export const EventPage = record(
  {
    items: Type.Array(ref(EventItem)),
    cursor: Type.String({ description: 'The cursor at which the next request continues.' })
  },
  { $id: 'EventPage' }
)

export const PresenceStatus = record(
  { userId: Uuid('The user.'), username: Username, online: Type.Boolean() },
  { $id: 'PresenceStatus' }
)

export type PresencePage = Static<typeof PresencePage>
export const PresencePage = page(ref(PresenceStatus), {
  $id: 'PresencePage',
  description: 'The requested users who share a conversation with the caller.'
})
