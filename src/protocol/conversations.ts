import type { Static } from 'typebox'
import * as Type from 'typebox'
import { UserChainHead } from './accounts.js'
import { PublicDevice } from './devices.js'
import {
  Base64,
  NewSignedStatement,
  Position,
  Sha256,
  SignedStatement,
  Time,
  Username,
  Uuid,
  NextCursor,
  choice,
  nullable,
  page,
  record,
  ref
} from './schema.js'

const RoleName = choice(['admin', 'member'], { description: 'Only admins can change a group.' })
export const Kind = choice(['direct', 'group', 'self'], {
  description: '`self` is a conversation of one user’s devices.'
})
const Head = Sha256('Hash of the newest statement of the conversation’s chain.')
const Sequence = Type.Integer({
  description: 'Sequence of the newest statement in the chain.',
  examples: [2]
})
const currentKey = {
  sessionKeyId: Uuid('The current session key.'),
  key: Sha256('Hash of the `conversation-key` statement of the current session key.'),
  rekeyRequired: Type.Boolean({
    description: 'Whether a new session key is needed before the next message.'
  })
}
const WrappedKey = Base64('The session key, encrypted for one device (docs/protocol.md, "Wraps").', {
  minLength: 344,
  maxLength: 2200
})

export type Wrap = Static<typeof Wrap>
export const Wrap = record(
  { deviceId: Uuid('The device that can unwrap the key.'), wrappedKey: WrappedKey },
  { $id: 'Wrap', description: 'A session key, encrypted for one device.' }
)

/** Most devices of a conversation. */
export const MAX_CONVERSATION_DEVICES = 7000

export type NewSessionKey = Static<typeof NewSessionKey>
export const NewSessionKey = record(
  {
    id: Uuid('Chosen by the client. Another one for each attempt.'),
    statement: ref(NewSignedStatement),
    wraps: Type.Array(ref(Wrap), {
      minItems: 1,
      maxItems: 16_384,
      description: 'Exactly one for each device of the roster.'
    })
  },
  { $id: 'NewSessionKey', description: 'A session key with its `conversation-key` statement.' }
)

export type NewConversation = Static<typeof NewConversation>
export const NewConversation = record(
  {
    id: Uuid('Chosen by the client.'),
    statements: Type.Array(ref(NewSignedStatement), {
      minItems: 1,
      maxItems: 100,
      description: 'The `conversation-create`, and changes that follow it.'
    }),
    key: ref(NewSessionKey)
  },
  { $id: 'NewConversation' }
)

export type ConversationChange = Static<typeof ConversationChange>
export const ConversationChange = record(
  {
    statements: Type.Array(ref(NewSignedStatement), {
      minItems: 1,
      maxItems: 100,
      description: 'Changes in order, or one `conversation-leave`.'
    }),
    key: Type.Optional(ref(NewSessionKey))
  },
  { $id: 'ConversationChange', description: 'Changes with the session key that follows them.' }
)

/** Confirms that a request stands in the chain. */
export type ChainReceipt = Static<typeof ChainReceipt>
export const ChainReceipt = record(
  {
    head: Sha256('Hash of the last statement of the request.'),
    sequence: Type.Integer({ description: 'Its sequence.', examples: [2] }),
    lastPosition: Position('Position of the event that the request made.')
  },
  { $id: 'ChainReceipt', description: 'Confirms that the statements stand in the chain.' }
)

export type Member = Static<typeof Member>
export const Member = record(
  {
    username: Username,
    role: RoleName,
    root: Sha256('The root that the chain has for the member.'),
    joinedAt: Position('Position of the statement that added the member.'),
    erased: Type.Optional(Type.Boolean({ description: 'Whether the member’s account is erased.' }))
  },
  { $id: 'Member' }
)

export const MemberPage = page(ref(Member), { $id: 'MemberPage' })

/** Members that a conversation shows by itself. */
export const SHOWN_MEMBERS = 50

const ConversationRequest = record(
  {
    by: Username,
    declined: Type.Boolean({ description: 'Whether the caller has declined it: nobody leaves a direct one.' })
  },
  {
    description:
      'The stranger who added the caller, until the caller accepts. Null in all other conversations.'
  }
)

export type Conversation = Static<typeof Conversation>
export const Conversation = record(
  {
    id: Uuid('The conversation’s id.'),
    kind: Kind,
    role: RoleName,
    memberCount: Type.Integer({ examples: [2] }),
    members: Type.Array(ref(Member), {
      description: 'The first 50 members, in the order in which they joined.'
    }),
    head: Head,
    sequence: Sequence,
    ...currentKey,
    messageTtl: Type.Integer({ description: 'Seconds after which messages are deleted. 0 keeps them.' }),
    request: nullable(ConversationRequest),
    lastPosition: Position('Position of the newest event that the caller may see.'),
    createdAt: Time('When the conversation was created.')
  },
  { $id: 'Conversation' }
)

export const ConversationPage = page(ref(Conversation), { $id: 'ConversationPage' })

export type ConversationResponse = Static<typeof ConversationResponse>
export const ConversationResponse = record(
  { conversation: ref(Conversation) },
  { $id: 'ConversationResponse' }
)

export type Chain = Static<typeof Chain>
export const Chain = record(
  {
    head: Head,
    lastPosition: Position('Position of the newest event that the caller may see.'),
    items: Type.Array(ref(SignedStatement), {
      description: 'The statements in order. A page holds whole requests.'
    }),
    next: NextCursor
  },
  { $id: 'Chain' }
)

export type RosterMember = Static<typeof RosterMember>
export const RosterMember = record(
  {
    username: Username,
    role: RoleName,
    root: Sha256('The root that the conversation’s chain has for the member.'),
    chain: ref(UserChainHead),
    devices: Type.Array(ref(PublicDevice), {
      description: 'The active devices. None if the user has another root than `root`.'
    })
  },
  { $id: 'RosterMember', description: 'A member, with where their chain ends and their devices.' }
)

export type Roster = Static<typeof Roster>
export const Roster = record(
  {
    head: Head,
    sequence: Sequence,
    ...currentKey,
    members: Type.Array(ref(RosterMember)),
    next: NextCursor
  },
  { $id: 'Roster', description: 'All that the maker of a session key needs, from one moment.' }
)

export const AddedWrap = record(
  { wrappedKey: WrappedKey, statement: ref(SignedStatement) },
  { $id: 'AddedWrap', description: 'A later wrap for the calling device.' }
)

export type SessionKey = Static<typeof SessionKey>
export const SessionKey = record(
  {
    id: Uuid('The session key’s id.'),
    statement: ref(SignedStatement),
    wrappedKey: Type.Optional(WrappedKey),
    added: Type.Array(ref(AddedWrap), {
      description: 'Later wraps for the calling device, each with its `wrap-added` statement.'
    }),
    createdAt: Time('When the session key was created.')
  },
  { $id: 'SessionKey', description: 'A session key that was wrapped for the calling device.' }
)

export const SessionKeyPage = page(ref(SessionKey), { $id: 'SessionKeyPage' })

export type SessionKeyResponse = Static<typeof SessionKeyResponse>
export const SessionKeyResponse = record({ sessionKey: ref(SessionKey) }, { $id: 'SessionKeyResponse' })

export const NewWrap = record(
  {
    deviceId: Uuid('Another active device of the caller.'),
    wrappedKey: WrappedKey,
    statement: ref(NewSignedStatement)
  },
  { $id: 'NewWrap', description: 'A session key, encrypted for one more device, with its statement.' }
)

export type NewWraps = Static<typeof NewWraps>
export const NewWraps = record(
  {
    wraps: Type.Array(ref(NewWrap), { minItems: 1, maxItems: 100 })
  },
  {
    $id: 'NewWraps',
    description: 'A session key, encrypted for other devices of the caller, with `wrap-added` statements.'
  }
)
