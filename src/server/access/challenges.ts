import { createHmac, hkdfSync, randomBytes, timingSafeEqual } from 'node:crypto'

/** For so long a device may sign a nonce. */
const LIFETIME_MS = 60_000
const RANDOM_BYTES = 16
const BODY_BYTES = RANDOM_BYTES + 6

export interface Challenges {
  make: (deviceId: string) => { nonce: string; expiresAt: Date }
  /** Whether this server made the nonce for this device, and it has not expired. */
  isValid: (nonce: string, deviceId: string) => boolean
}

/**
 * Nonces for devices that sign in: random bytes, the time of expiry, and a MAC over both and the device. Nothing is
 * stored, so a challenge for a device that does not exist costs and looks the same.
 */
export function challenges(secret: string, now = () => Date.now()): Challenges {
  const key = Buffer.from(hkdfSync('sha256', secret, '', 'secure-chat device login', 32))
  const seal = (body: Buffer, deviceId: string) =>
    createHmac('sha256', key).update(body).update(deviceId).digest()
  return {
    make(deviceId) {
      const expiresAt = now() + LIFETIME_MS
      const body = Buffer.concat([randomBytes(RANDOM_BYTES), Buffer.alloc(BODY_BYTES - RANDOM_BYTES)])
      body.writeUIntBE(expiresAt, RANDOM_BYTES, BODY_BYTES - RANDOM_BYTES)
      const nonce = Buffer.concat([body, seal(body, deviceId)]).toString('base64')
      return { nonce, expiresAt: new Date(expiresAt) }
    },
    isValid(nonce, deviceId) {
      const bytes = Buffer.from(nonce, 'base64')
      const body = bytes.subarray(0, BODY_BYTES)
      const mac = bytes.subarray(BODY_BYTES)
      const expected = seal(body, deviceId)
      if (mac.length !== expected.length || !timingSafeEqual(mac, expected)) return false
      return now() < body.readUIntBE(RANDOM_BYTES, BODY_BYTES - RANDOM_BYTES)
    }
  }
}
