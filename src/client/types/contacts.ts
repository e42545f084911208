export interface UserInfo {
  username: string
  userId: string
  /** Fingerprint of the signing key on which the user's identity stands. */
  root: string
  /** Active devices, as the user's verified chain names them. */
  devices: { id: string; fingerprint: string }[]
}

export interface Contact {
  username: string
  /**
   * `unverified`: taken on trust at first sight; `verified`: safety numbers were compared; `changed`: has a new
   * identity, to which nothing is sent until `accept`.
   */
  status: 'unverified' | 'verified' | 'changed'
  /** Whether the identity that has been replaced was a verified one. */
  wasVerified?: boolean
}
