import Type, { type Static } from 'typebox'
import { PublicDevice } from './devices.js'
import {
  Base64,
  Position,
  Sha256,
  SignedStatement,
  Time,
  Username,
  Uuid,
  nullable,
  page,
  record,
  ref
} from './schema.js'

const RoleName = Type.Enum(['admin', 'member'], { description: 'Only admins can change a group.' })
const Head = Sha256('Hash of the newest statement of the conversation’s chain.')
const currentKey = {
  sessionKeyId: nullable(Uuid('The current session key.')),
  rekeyRequired: Type.Boolean({
    description: 'Whether a new session key is needed before the next message.'
  })
}

export type Wrap = Static<typeof Wrap>
export const Wrap = record(
  {
    deviceId: Uuid('The device that can unwrap the key.'),
    wrappedKey: Base64('The session key, encrypted with the device’s RSA key (RSA-OAEP-256).', {
      minLength: 344,
      maxLength: 684
    })
  },
  { $id: 'Wrap', description: 'A session key, encrypted for one device.' }
)

/** 1,024 members with 16 devices each. */
const MAX_WRAPS = 16_384

export type NewSessionKey = Static<typeof NewSessionKey>
export const NewSessionKey = record(
  {
    id: Uuid('Chosen by the client.'),
    statement: ref(SignedStatement),
    wraps: Type.Array(ref(Wrap), {
      minItems: 1,
      maxItems: MAX_WRAPS,
      description: 'Exactly one for each active device of each member.'
    })
  },
  { $id: 'NewSessionKey' }
)

export type NewConversation = Static<typeof NewConversation>
export const NewConversation = record(
  {
    id: Uuid('Chosen by the client.'),
    statement: ref(SignedStatement),
    sessionKey: Type.Optional(ref(NewSessionKey))
  },
  { $id: 'NewConversation' }
)

export type Member = Static<typeof Member>
export const Member = record(
  {
    username: Username,
    role: RoleName,
    root: Sha256('The root that the chain has for the member.'),
    joinedAt: Position('Position of the statement that added the member.')
  },
  { $id: 'Member' }
)

export type Conversation = Static<typeof Conversation>
export const Conversation = record(
  {
    id: Uuid('The conversation’s id.'),
    kind: Type.Enum(['direct', 'group']),
    head: Head,
    sequence: Type.Integer({ description: 'Sequence of the newest statement in the chain.', examples: [1] }),
    members: Type.Array(ref(Member)),
    ...currentKey,
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
    items: Type.Array(ref(SignedStatement), { description: 'The statements in order.' }),
    next: Type.Unsafe<string | null>({ type: ['string', 'null'] })
  },
  { $id: 'Chain' }
)

export type Roster = Static<typeof Roster>
export const Roster = record(
  {
    head: Head,
    members: Type.Array(
      record({
        username: Username,
        role: RoleName,
        root: Sha256('The root that the chain has for the member.'),
        devices: Type.Array(ref(PublicDevice))
      })
    ),
    ...currentKey
  },
  {
    $id: 'Roster',
    description:
      'The devices that a new session key must be wrapped for. A member with an outdated root has no devices here.'
  }
)

export type SessionKey = Static<typeof SessionKey>
export const SessionKey = record(
  {
    id: Uuid('The session key’s id.'),
    statement: ref(SignedStatement),
    roster: Type.Array(
      record({
        signingKey: Sha256('Fingerprint of the signing key.'),
        encryptionKey: Sha256('Fingerprint of the encryption key.')
      }),
      { description: 'The devices that the key was wrapped for when it was created.' }
    ),
    wrappedKey: Base64('The key, encrypted for the calling device.', { maxLength: 684 }),
    createdAt: Time('When the session key was created.')
  },
  { $id: 'SessionKey' }
)

export const SessionKeyPage = page(ref(SessionKey), { $id: 'SessionKeyPage' })

export type SessionKeyResponse = Static<typeof SessionKeyResponse>
export const SessionKeyResponse = record(
  { id: Uuid('The session key’s id.'), createdAt: Time('When the session key was created.') },
  { $id: 'SessionKeyResponse' }
)

export type NewWraps = Static<typeof NewWraps>
export const NewWraps = record(
  { wraps: Type.Array(ref(Wrap), { minItems: 1, maxItems: MAX_WRAPS }) },
  { $id: 'NewWraps', description: 'A session key, encrypted for further devices of its members.' }
)
