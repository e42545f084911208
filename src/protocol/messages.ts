import Type, { type Static } from 'typebox'
import { BASE64_IV, BASE64_SIGNATURE } from './ids.js'
import {
  Base64,
  PageQuery,
  Position,
  ProblemDocument,
  Time,
  Username,
  Uuid,
  page,
  record,
  ref
} from './schema.js'

/** Bytes of ciphertext at most, its 16-byte tag included (protocol, "Message"). */
export const MAX_CIPHERTEXT_BYTES = 65_536

const envelope = {
  sessionKeyId: Uuid('The session key under which it is encrypted.'),
  iv: Base64('12 random bytes.', { form: BASE64_IV, minLength: 16, maxLength: 16 }),
  ciphertext: Base64('AES-256-GCM ciphertext and tag, 64 KiB at most.', { minLength: 24, maxLength: 87_384 }),
  signature: Base64('Ed25519 signature of the sending device.', {
    form: BASE64_SIGNATURE,
    minLength: 88,
    maxLength: 88
  })
}

export type NewMessage = Static<typeof NewMessage>
export const NewMessage = record(
  { id: Uuid('Made by the client; a retry with the same id is harmless.'), ...envelope },
  { $id: 'NewMessage' }
)

export type MessageReceipt = Static<typeof MessageReceipt>
export const MessageReceipt = record(
  {
    id: Uuid('The message’s id.'),
    position: Position('Its place in the log.'),
    createdAt: Time('When it was stored.')
  },
  { $id: 'MessageReceipt', description: 'The message is stored durably at this position.' }
)

/** Messages of a batch, and bytes of its body, at most. */
export const MAX_BATCH_MESSAGES = 100
export const MAX_BATCH_BYTES = 2 ** 20

export type NewMessageBatch = Static<typeof NewMessageBatch>
export const NewMessageBatch = record(
  {
    messages: Type.Array(ref(NewMessage), {
      minItems: 1,
      maxItems: MAX_BATCH_MESSAGES,
      description: 'In the order in which they are to be stored. Their ids differ.'
    })
  },
  { $id: 'NewMessageBatch' }
)

export type MessageOutcome = Static<typeof MessageOutcome>
export const MessageOutcome = record(
  {
    id: Uuid('The message’s id.'),
    status: Type.Integer({
      description: 'What `sendMessage` would have answered: 201 if it is stored, 200 if it was before.',
      examples: [201]
    }),
    receipt: Type.Optional(ref(MessageReceipt)),
    problem: Type.Optional(ref(ProblemDocument))
  },
  {
    $id: 'MessageOutcome',
    description: 'What became of one message of a batch: a `receipt` if it is stored, else a `problem`.'
  }
)

export type MessageBatchResponse = Static<typeof MessageBatchResponse>
export const MessageBatchResponse = record(
  { items: Type.Array(ref(MessageOutcome), { description: 'One for each message, in their order.' }) },
  { $id: 'MessageBatchResponse' }
)

export type Message = Static<typeof Message>
export const Message = record(
  {
    id: Uuid('The message’s id.'),
    conversationId: Uuid('The conversation’s id.'),
    position: Position('Its place in the log.'),
    sender: record({
      userId: Uuid('The sender’s user id.'),
      username: Username,
      deviceId: Uuid('The sending device.')
    }),
    ...envelope,
    createdAt: Time('When it was stored.')
  },
  { $id: 'Message' }
)

export const MessagePage = page(ref(Message), { $id: 'MessagePage' })

export const HistoryQuery = record({
  before: Type.Optional(Position('Messages before this position, newest first.')),
  after: Type.Optional(Position('Messages after this position, oldest first.')),
  ...PageQuery
})
