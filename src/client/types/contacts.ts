export interface UserInfo {
  username: string
  userId: string
  /**
   * Identity key fingerprint: the signing key of the first device in the user's chain since the last reset.
   */
  root: string
  /** Active devices from the user's verified chain. */
  devices: { id: string; fingerprint: string }[]
}

export interface Contact {
  username: string
  /**
   * `unverified`: trusted on first use; `verified`: safety numbers were compared; `changed`: has a new
   * identity, to which nothing is sent until `accept`.
   */
  status: 'unverified' | 'verified' | 'changed'
  /** Whether the identity before the change was verified. */
  wasVerified?: boolean
}
