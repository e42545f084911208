export interface DeviceInfo {
  id: string
  name: string
  status: 'active' | 'pending' | 'revoked'
  /** Fingerprint of the signing key, to compare with the one that the device itself shows. */
  fingerprint: string
  createdAt: string
  /** Whether it is the device of this client. */
  current: boolean
}
