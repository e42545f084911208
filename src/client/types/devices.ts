export interface DeviceInfo {
  id: string
  name: string
  status: 'active' | 'pending' | 'revoked'
  /** Of the signing key: what two people, or one person with two devices, compare. */
  fingerprint: string
  createdAt: string
  /** Whether it is the device of this client. */
  current: boolean
}
