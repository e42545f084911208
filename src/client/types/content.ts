/**
 * The content of a message (protocol, "Message"). `ref` is the id of the message that it answers, edits or
 * reacts to.
 */
export type Content = TextContent | EditContent | ReactionContent | TitleContent | FileContent

export type TextContent = {
  type: 'text'
  text: string
  /** If given, the message is a reply. */
  ref?: string
}

/** Replaces the text of an own message. */
export type EditContent = {
  type: 'edit'
  ref: string
  text: string
}

/** One reaction per user and message: a newer one replaces it, an empty `text` takes it back. */
export type ReactionContent = {
  type: 'reaction'
  ref: string
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
  commitment: string
  text?: string
}

/** Content of a type that only newer clients know. */
export type UnknownContent = {
  type: 'unknown'
  /** Its `type` on the wire, at most 64 characters. */
  of: string
}

export type ReceivedContent = Content | UnknownContent
