import type { Static } from 'typebox'
import * as Type from 'typebox'
import { BASE64_IV, BASE64_SIGNATURE } from './ids.js'
import {
  Base64,
  PageQuery,
  Position,
  ProblemDocument,
  Sha256,
  Time,
  Username,
  Uuid,
  page,
  record,
  ref
} from './schema.js'

/** Largest ciphertext in bytes, its 16-byte tag included (docs/protocol.md, "Message"). */
export const MAX_CIPHERTEXT_BYTES = 65_536

/** Messages under one session key, after which clients make another one, and servers take it. */
export const RENEWAL_MESSAGES = 10_000

/** Most messages under one session key (docs/protocol.md, "Message"). */
export const MAX_MESSAGES_PER_KEY = 2 ** 20

const envelope = {
  sessionKeyId: Uuid('The session key that the message is encrypted with.'),
  key: Sha256('Hash of the `conversation-key` statement of that session key.'),
  iv: Base64('12 random bytes.', { form: BASE64_IV, minLength: 16, maxLength: 16 }),
  ciphertext: Base64('AES-256-GCM ciphertext and tag, at most 64 KiB.', { minLength: 24, maxLength: 87_384 }),
  signature: Base64('Ed25519 signature of the sending device.', {
    form: BASE64_SIGNATURE,
    minLength: 88,
    maxLength: 88
  })
}

export type NewMessage = Static<typeof NewMessage>
export const NewMessage = record(
  { id: Uuid('Chosen by the client. Retry with the same id: the message is stored once.'), ...envelope },
  { $id: 'NewMessage' }
)

export type MessageReceipt = Static<typeof MessageReceipt>
export const MessageReceipt = record(
  {
    id: Uuid('The message’s id.'),
    position: Position('Position of the message in the log.'),
    createdAt: Time('When the message was stored.')
  },
  { $id: 'MessageReceipt', description: 'Confirms that the message is stored durably.' }
)

/** Most messages in a batch. */
export const MAX_BATCH_MESSAGES = 100
/** Largest body of a batch in bytes. */
export const MAX_BATCH_BYTES = 2 ** 20

export type NewMessageBatch = Static<typeof NewMessageBatch>
export const NewMessageBatch = record(
  {
    messages: Type.Array(ref(NewMessage), {
      minItems: 1,
      maxItems: MAX_BATCH_MESSAGES,
      description: 'Stored in this order. Each needs an id of its own.'
    })
  },
  { $id: 'NewMessageBatch' }
)

export type MessageOutcome = Static<typeof MessageOutcome>
export const MessageOutcome = record(
  {
    id: Uuid('The message’s id.'),
    status: Type.Integer({
      description:
        'The status of `sendMessage`: 201 if the message is stored now, 200 if it was stored before.',
      examples: [201]
    }),
    receipt: Type.Optional(ref(MessageReceipt)),
    problem: Type.Optional(ref(ProblemDocument))
  },
  {
    $id: 'MessageOutcome',
    description: 'The result for one message of a batch: a `receipt` if it is stored, otherwise a `problem`.'
  }
)

export type MessageBatchResponse = Static<typeof MessageBatchResponse>
export const MessageBatchResponse = record(
  {
    items: Type.Array(ref(MessageOutcome), {
      description: 'One result for each message, in the order of the request.'
    })
  },
  { $id: 'MessageBatchResponse' }
)

export const Sender = record(
  {
    userId: Uuid('The sender’s user id.'),
    username: Username,
    deviceId: Uuid('The sending device.')
  },
  { $id: 'Sender' }
)

export type Message = Static<typeof Message>
export const Message = record(
  {
    id: Uuid('The message’s id.'),
    conversationId: Uuid('The conversation’s id.'),
    position: Position('Position of the message in the log.'),
    sender: ref(Sender),
    ...envelope,
    createdAt: Time('When the message was stored.')
  },
  { $id: 'Message' }
)

/** What is left of a message that was deleted. All of it is the server's word. */
export type DeletedMessage = Static<typeof DeletedMessage>
export const DeletedMessage = record(
  {
    id: Uuid('The message’s id.'),
    position: Position('Where the message stood in the log.'),
    sender: ref(Sender),
    key: Sha256('Hash of the `conversation-key` statement of its session key.'),
    deletedAt: Time('When an admin of the server deleted it.')
  },
  { $id: 'DeletedMessage' }
)

export const MessagePage = record(
  {
    ...page(ref(Message), {}).properties,
    deleted: Type.Array(ref(DeletedMessage), {
      description: 'Messages that would stand on this page, and were deleted. Their positions say where.'
    })
  },
  { $id: 'MessagePage' }
)

export const HistoryQuery = record({
  before: Type.Optional(Position('Messages before this position, newest first.')),
  after: Type.Optional(Position('Messages after this position, oldest first.')),
  ...PageQuery
})
