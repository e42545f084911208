export interface DeviceInfo {
  id: string
  /** The name that the user gave it, as the server says. */
  name: string
  status: 'active' | 'pending' | 'revoked'
  /** `recovery` for a key backup. */
  purpose: 'chat' | 'recovery'
  /** Fingerprint of the signing key. */
  fingerprint: string
  createdAt: string
  /** Whether it is the device of this client. */
  current: boolean
}
