import Type, { type Static, type TSchema } from 'typebox'
import { Message } from './messages.js'
import { Position, SignedStatement, Time, Username, Uuid, nullable, record, ref } from './schema.js'

const position = Position('The event’s place in the log.')
const conversationId = Uuid('The conversation’s id.')

export const ConversationCreatedEvent = record(
  { position, conversationId, kind: Type.Enum(['direct', 'group']), statement: ref(SignedStatement) },
  { $id: 'ConversationCreatedEvent' }
)
export const ConversationChainEvent = record(
  { position, conversationId, sequence: Type.Integer(), statement: ref(SignedStatement) },
  {
    $id: 'ConversationChainEvent',
    description: 'A membership statement. Unless it changes a role alone, the session key is out of date.'
  }
)
export const SessionKeyCreatedEvent = record(
  {
    position,
    conversationId,
    sessionKeyId: Uuid(
      'A new current session key, or an older one that was wrapped for a device of the reader.'
    ),
    statement: ref(SignedStatement)
  },
  { $id: 'SessionKeyCreatedEvent' }
)
export const DeviceRequestedEvent = record(
  {
    position,
    deviceId: Uuid('The pending device.'),
    name: Type.String(),
    statement: ref(SignedStatement)
  },
  { $id: 'DeviceRequestedEvent', description: 'One of the user’s devices is asked to approve a new one.' }
)
export const DeviceChainEvent = record(
  {
    position,
    userId: Uuid('The user whose chain has grown.'),
    username: Username,
    sequence: Type.Integer(),
    statement: ref(SignedStatement)
  },
  { $id: 'DeviceChainEvent' }
)
export const ResetEvent = record(
  { position: Position('The oldest event that is kept.') },
  { $id: 'ResetEvent', description: 'Events before this position are gone, or the log is another one.' }
)
export const ReadyEvent = record(
  {
    cursor: Type.String({ description: 'Where this stream begins.' }),
    deviceId: Uuid('The device of the stream.'),
    keepaliveSeconds: Type.Integer()
  },
  { $id: 'ReadyEvent' }
)
export const PresenceEvent = record(
  { userId: Uuid('The user.'), username: Username, online: Type.Boolean(), at: Time('Since when.') },
  { $id: 'PresenceEvent' }
)
export const SessionEndedEvent = record(
  { reason: Type.Enum(['revoked', 'expired']) },
  { $id: 'SessionEndedEvent', description: 'The stream ends with its session.' }
)

/** Events that are kept in the log: each bears `id:` and holds its `position`. */
export const durableEvents = {
  message: Message,
  'conversation.created': ConversationCreatedEvent,
  'conversation.chain': ConversationChainEvent,
  'session-key.created': SessionKeyCreatedEvent,
  'device.requested': DeviceRequestedEvent,
  'device.chain': DeviceChainEvent
} as const satisfies Record<string, TSchema>

/** Events that are only ever streamed and never move the cursor. */
export const ephemeralEvents = {
  ready: ReadyEvent,
  reset: ResetEvent,
  presence: PresenceEvent,
  'session.ended': SessionEndedEvent
} as const satisfies Record<string, TSchema>

export type DurableEvent = keyof typeof durableEvents
export type EphemeralEvent = keyof typeof ephemeralEvents

/** `{event, data, …}` for each of the given events. */
function eventSchemas(events: Record<string, TSchema>, more: Record<string, TSchema>) {
  return Object.entries(events).map(([event, schema]) =>
    record({ event: Type.Literal(event), data: ref(schema), ...more })
  )
}

export const StreamedEvent = Type.Unsafe<{ event: string; data: unknown; id?: string }>({
  $id: 'StreamedEvent',
  description: 'What a frame of the event stream says; `data` is one line of JSON.',
  anyOf: [
    ...eventSchemas(durableEvents, { id: Type.String({ description: 'The cursor after this event.' }) }),
    ...eventSchemas(ephemeralEvents, {})
  ]
})

export const EventPage = record(
  {
    items: Type.Array(
      Type.Unsafe<{ event: string; data: unknown; cursor: string }>({
        anyOf: eventSchemas({ ...durableEvents, reset: ResetEvent }, { cursor: Type.String() })
      })
    ),
    cursor: Type.String({ description: 'Where to go on.' })
  },
  { $id: 'EventPage' }
)

export type PresencePage = Static<typeof PresencePage>
export const PresencePage = record(
  {
    items: Type.Array(record({ userId: Uuid('The user.'), username: Username, online: Type.Boolean() })),
    next: nullable(Type.String())
  },
  {
    $id: 'PresencePage',
    description: 'Of the users asked for, those who share a conversation with the caller.'
  }
)
