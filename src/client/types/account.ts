export interface Credentials {
  username: string
  password: string
  /** Shown to the user only; 1–64 characters. */
  deviceName?: string
}

export interface Account {
  username: string
  userId: string
  deviceId: string
  /** Fingerprint of this device's signing key. */
  fingerprint: string
  status: 'active' | 'pending'
  loggedIn: boolean
}

export type LoginResult =
  | { status: 'active'; deviceId: string }
  /** The person has to compare `linkNumber` with the one that another device of theirs shows. */
  | { status: 'pending'; deviceId: string; linkNumber: string }

export interface SessionInfo {
  id: string
  deviceId: string | null
  address: string
  userAgent: string
  createdAt: string
  lastUsedAt: string
  expiresAt: string
  current: boolean
}

export interface BackupStatus {
  exists: boolean
}

export interface ServerInfo {
  name: string
  version: string
  protocol: string
  limits: { ciphertextBytes: number; members: number; devices: number; rsaKeyBits: number }
  time: string
}
