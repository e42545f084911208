import { createHash, createHmac, hkdfSync, randomUUID, timingSafeEqual } from 'node:crypto'

export const ISSUER = 'secure-chat'
export const AUDIENCE = 'secure-chat'

/** The claims of an access token, besides those that all our JWTs have. */
export interface AccessClaims {
  sub: string
  sid: string
  did: string | null
  jti: string
}

export function accessClaims(session: { id: string; userId: string; deviceId: string | null }): AccessClaims {
  return { sub: session.userId, sid: session.id, did: session.deviceId, jti: randomUUID() }
}

export interface RefreshTokens {
  make: (sessionId: string, generation: number) => string
  /** The session and generation of a token; null if this server did not make it. */
  read: (token: string) => { sessionId: string; generation: number } | null
}

const ID_BYTES = 16
const BODY_BYTES = ID_BYTES + 4

/**
 * Refresh tokens: session id, generation and an HMAC over both. Only the session's current generation is
 * stored: the database holds no token, not even a hashed one, and an old token is recognised as used.
 */
export function refreshTokens(secret: string): RefreshTokens {
  const key = Buffer.from(hkdfSync('sha256', secret, '', 'secure-chat refresh token', 32))
  const seal = (body: Buffer) => createHmac('sha256', key).update(body).digest()
  return {
    make(sessionId, generation) {
      const body = Buffer.alloc(BODY_BYTES)
      body.write(sessionId.replaceAll('-', ''), 'hex')
      body.writeUInt32BE(generation, ID_BYTES)
      return Buffer.concat([body, seal(body)]).toString('base64url')
    },
    read(token) {
      const bytes = Buffer.from(token, 'base64url')
      // Node.js skips characters that are not base64url: one token would have many spellings.
      if (bytes.toString('base64url') !== token) return null
      const body = bytes.subarray(0, BODY_BYTES)
      const mac = bytes.subarray(BODY_BYTES)
      const expected = seal(body)
      if (mac.length !== expected.length || !timingSafeEqual(mac, expected)) return null
      const hex = body.toString('hex', 0, ID_BYTES)
      const sessionId = hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
      return { sessionId, generation: body.readUInt32BE(ID_BYTES) }
    }
  }
}

/** The form in which the token of a link is kept: it is random, so a plain hash hides it. */
export function hashOfToken(token: string): Buffer {
  return createHash('sha256').update(token).digest()
}
