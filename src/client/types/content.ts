/**
 * The content of a message (protocol, "Message"). `ref` is the message that it answers, edits, takes back or
 * reacts to.
 */
export type Content =
  | TextContent
  | EditContent
  | RetractContent
  | ReactionContent
  | TitleContent
  | FileContent
  | TrustContent
  | WelcomeContent
  | LacksContent
  | HelloContent
  | ReportContent
  | VoidContent

/**
 * A message by its id and its `digest`: it is these bytes, and no others under that id. A message that came, and
 * what `send` returns, is one.
 */
export type MessageRef = { id: string; digest: string }

export type TextContent = {
  type: 'text'
  text: string
  /** If given, the message is a reply. */
  ref?: MessageRef
}

/** Replaces the text of an own message. */
export type EditContent = {
  type: 'edit'
  ref: MessageRef
  text: string
}

/** Takes an own message back. */
export type RetractContent = {
  type: 'retract'
  ref: MessageRef
}

/** What one of the user's devices tells the others, in the `self` conversation. */
export type TrustContent = {
  type: 'trust'
  /** By username. `since` is the number of the statement that began the root. */
  users: { [username: string]: TrustEntry }
  /** By conversation id. */
  conversations: { [id: string]: ChainHead }
  /** A part of all that the sender knows: `part` from 1 to `parts`. */
  set?: { id: string; part: number; parts: number }
}

export type ChainHead = { sequence: number; head: string }
export type TrustEntry = ChainHead & {
  root: string
  since: number
  verified: boolean
  decided: boolean
}

/** To a user who was added to a group: where the group's chain ends for the one who added them. */
export type WelcomeContent = {
  type: 'welcome'
  conversation: string
  sequence: number
  head: string
}

/** A device asks the user's others, in the `self` conversation, for session keys that it was given wrongly. */
export type LacksContent = {
  type: 'lacks'
  conversation: string
  /** Hashes of their statements. */
  keys: string[]
}

/** The first message of a user to the one by whose link they came. */
export type HelloContent = {
  type: 'hello'
  /** SHA-256 of the link's token, in hex. */
  invitation: string
  /** That the sender has the link's secret: 32 bytes in base64. */
  proof: string
}

/** A message that a member shows to a moderator of the server, who checks it with `reports.check`. */
export type ReportContent = {
  type: 'report'
  message: ReportedMessage
  /** The key of this message only: 32 bytes in base64. */
  messageKey: string
  /** What the reporter says about it; may be empty. */
  reason: string
}

/** A message as the server has it. */
export type ReportedMessage = {
  id: string
  conversationId: string
  /** Hash of the `conversation-key` statement of its session key. */
  key: string
  sender: { username: string; deviceId: string }
  iv: string
  ciphertext: string
  signature: string
}

/** Stands in the place of a message that was given up, so that its number is not missed. */
export type VoidContent = {
  type: 'void'
}

/** One reaction per user and message: a newer one replaces it, an empty `text` takes it back. */
export type ReactionContent = {
  type: 'reaction'
  ref: MessageRef
  text: string
}

/** The name of a group. */
export type TitleContent = {
  type: 'title'
  text: string
}

/** A file, which lies encrypted on the server (protocol, "Attachment"). */
export type FileContent = {
  type: 'file'
  attachment: string
  name: string
  mediaType: string
  /** Bytes of the file itself. */
  size: number
  /** SHA-256 of the ciphertext, in hex. */
  sha256: string
  /** 32 bytes in base64. */
  key: string
  text?: string
}

/** Content of a type that only newer clients know. */
export type UnknownContent = {
  type: 'unknown'
  /** Its `type` on the wire, at most 64 characters. */
  of: string
}

export type ReceivedContent = Content | UnknownContent
