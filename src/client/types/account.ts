export interface Credentials {
  username: string
  password: string
  /** Shown to the user only; 1–64 characters. */
  deviceName?: string
}

export interface Registration extends Credentials {
  /** The link of an invitation. Only its token is sent. */
  invite?: string
}

export interface Login extends Credentials {
  /**
   * If the user's chain has retired the device of this store, destroy its private keys, and begin as a new
   * device: only a person decides that. A device that the chain still has is used as it is.
   */
  asNewDevice?: boolean
}

export interface Account {
  username: string
  userId: string
  deviceId: string
  /** Fingerprint of this device's signing key. */
  fingerprint: string
  /** `revoked`, or `displaced` by a reset: as far as this device has heard. */
  status: 'active' | 'pending' | 'revoked' | 'displaced'
  loggedIn: boolean
}

export type LoginResult =
  | { status: 'active'; deviceId: string }
  /** The person has to compare `linkNumber` with the one that another device of theirs shows. */
  | { status: 'pending'; deviceId: string; linkNumber: string }

export interface SessionInfo {
  id: string
  deviceId: string | null
  /** How it was begun: with the password, or with the key of its device. */
  method: 'password' | 'device'
  address: string
  userAgent: string
  createdAt: string
  lastUsedAt: string
  expiresAt: string
  current: boolean
}

/** Whether the backup on the server restores an account. The server alone says when it was made. */
export type BackupStatus =
  | { usable: true; kind: 'recovery-code' | 'passphrase'; createdAt: string }
  | {
      usable: false
      /**
       * `none`: there is no backup; `revoked`: its recovery device is none of the user's any more, after a
       * revocation or a reset; `unfinished`: this device was interrupted, and nobody was shown the code;
       * `unreadable`: it has another form than this client knows.
       */
      reason: 'none' | 'revoked' | 'unfinished' | 'unreadable'
    }

export interface ServerInfo {
  name: string
  version: string
  protocol: string
  /** Who may register: everybody, who has an invitation, or who has one of an admin. */
  registration: string
  /** Admins of the server who take reports. */
  moderators: string[]
  limits: { ciphertextBytes: number; members: number; devices: number; rsaKeyBits: number }
  /** What the operator tells all users, in plain text. Nobody signs it. */
  notice: { text: string; at: string } | null
  time: string
}
