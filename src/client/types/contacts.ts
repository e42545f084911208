export type { ContactPolicy } from '../../protocol/accounts.js'

export interface UserInfo {
  username: string
  /**
   * Identity key fingerprint: the signing key of the first device in the user's chain since the last reset.
   */
  root: string
  /** Hash of the newest statement of the user's verified chain. */
  head: string
  /** Active devices from the verified chain. A `recovery` device is a key backup. */
  devices: { id: string; fingerprint: string; purpose: 'chat' | 'recovery' }[]
}

export interface Contact {
  username: string
  /** The root of the identity that the user has now. */
  root: string
  /**
   * `unverified`: trusted on first use; `verified`: safety numbers were compared; `changed`: has a new
   * identity, to which nothing is sent until `accept`.
   */
  status: 'unverified' | 'verified' | 'changed'
  /** Whether the identity before the change was verified. */
  wasVerified?: boolean
}
