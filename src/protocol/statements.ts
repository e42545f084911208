/**
 * Signed statements (docs/protocol.md, "Statements"): ASCII lines `name value`, each ended by one LF. The
 * first names the protocol and the kind, the others follow in exactly the order given here. The hash of a
 * statement is the hex SHA-256 of its text. The text that was signed is stored and hashed as it is, never
 * serialised again.
 */
export const PROTOCOL = 'secure-chat/v1'
export const MAX_MEMBERS = 1024

export type Role = 'admin' | 'member'
export type ConversationKind = 'direct' | 'group' | 'self'

export interface MemberLine {
  username: string
  role: Role
  root: string
}

export interface Link {
  sequence: number
  /** Hash of the previous statement, `-` for the first. */
  previous: string
}

/** A `chat` device talks. A `recovery` device is a key backup: it only signs in its own user's chain. */
export type Purpose = 'chat' | 'recovery'

export interface DeviceBinding extends Link {
  user: string
  device: string
  purpose: Purpose
  signingKey: string
  encryptionKey: string
  /** Hex SHA-256 of the ML-KEM-768 public key; `-` for a device without one. */
  kemKey: string
  encryptionVersion: number
}

/** Where a user's chain ended for the maker of a session key. */
export interface StateLine {
  username: string
  sequence: number
  /** Hash of the statement with this sequence. */
  head: string
}

export interface ConversationLink extends Link {
  conversation: string
  by: string
}

interface Fields {
  'device-add': DeviceBinding
  'device-rekey': DeviceBinding
  'device-reset': DeviceBinding
  'device-revoke': Link & { user: string; device: string }
  'conversation-create': ConversationLink & { conversationKind: ConversationKind; members: MemberLine[] }
  'conversation-add': ConversationLink & { member: MemberLine }
  'conversation-role': ConversationLink & { member: MemberLine }
  'conversation-renew': ConversationLink & { member: MemberLine }
  'conversation-remove': ConversationLink & { username: string }
  'conversation-leave': ConversationLink
  /** `messageTtl` in seconds; 0 keeps messages for ever. */
  'conversation-timer': ConversationLink & { messageTtl: number }
  'conversation-key': ConversationLink & {
    sessionKey: string
    commitment: string
    state: StateLine[]
    roster: string
  }
  'wrap-added': {
    conversation: string
    /** Hash of the `conversation-key` statement. */
    key: string
    /** Signing key fingerprint of the device that the key is wrapped for. */
    reader: string
    /** Hash of the bytes of the wrap. */
    wrap: string
    by: string
  }
  /** A sign-in with a device's key, at one server and once. No part of a chain. */
  'device-login': {
    /** The server's origin. */
    server: string
    user: string
    device: string
    /** The server's, in base64. */
    nonce: string
    by: string
  }
}

export type Kind = keyof Fields

/** The parsed form of a statement of kind `K`, discriminated by `kind`. */
export type Statement<K extends Kind = Kind> = { [P in K]: { kind: P } & Fields[P] }[K]
export type UserStatement = Statement<'device-add' | 'device-rekey' | 'device-reset' | 'device-revoke'>
export type ConversationStatement = Statement<Extract<Kind, `conversation-${string}`>>
export type KeyStatement = Statement<'conversation-key'>
/** A statement that changes a conversation. Each but `conversation-leave` comes with a key. */
export type ChangeStatement = Exclude<ConversationStatement, KeyStatement>
