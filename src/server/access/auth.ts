import { hash } from 'node:crypto'
import jwt from '@fastify/jwt'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { UUID } from '../../protocol/ids.js'
import { Problem } from '../http/problem.js'
import { networkOf, requireNoWait } from './rate-limits.js'
import type { Config } from '../config.js'
import type { CounterSync } from './counter-sync.js'
import type { ActiveSession, Sessions } from './sessions.js'
import { AUDIENCE, ISSUER, accessClaims, type AccessClaims } from './tokens.js'

declare module '@fastify/jwt' {
  interface FastifyJWT {
    payload: AccessClaims
    user: AccessClaims
  }
}

declare module 'fastify' {
  interface FastifyRequest {
    /** Set on every route that requires a session. */
    session: ActiveSession | null
  }
  interface FastifyInstance {
    /** A hook that finds the session of a request before its body is read. */
    requireSession: Hook
    /** A hook for after all that a request waits for: its session may have ended since, or its device may be another. */
    recheckSession: Hook
    signAccessToken: (session: Pick<ActiveSession, 'id' | 'userId' | 'deviceId' | 'endsAt'>) => {
      accessToken: string
      expiresIn: number
    }
  }
}

type Hook = (request: FastifyRequest, reply: FastifyReply, done: (error?: Error) => void) => void

const uuid = new RegExp(`^${UUID}$`)

/** Most verified tokens that are remembered. */
const REMEMBERED = 50_000

interface AuthParts {
  config: Pick<Config, 'sessions' | 'rateLimits'>
  /** Signs access tokens. */
  secret: string
  sessions: Sessions
  attempts: CounterSync
}

/** JWT access tokens (HS256 only), and their sessions, which are checked from memory on every request. */
export async function registerAuth(
  app: FastifyInstance,
  { config, secret, sessions, attempts }: AuthParts
): Promise<void> {
  await app.register(jwt, {
    secret,
    sign: { algorithm: 'HS256', iss: ISSUER, aud: AUDIENCE },
    verify: {
      algorithms: ['HS256'],
      allowedIss: ISSUER,
      allowedAud: AUDIENCE,
      requiredClaims: ['iss', 'aud', 'exp', 'iat', 'sub', 'sid']
    }
  })
  /** By the tokens' digests, which have a tenth of their length. */
  const verified = new Map<string, { session: ActiveSession; endsAt: number }>()
  const refused = attempts.of('refused-tokens')

  /**
   * A token that this server has not signed counts for its network, and one that it has for its session: a
   * neighbour's bad tokens keep nobody out.
   */
  async function authenticate(request: FastifyRequest, reply: FastifyReply, token: string | null) {
    let key = networkOf(request)
    try {
      const claims = verify(app, token)
      key = claims.sid
      requireNoWait(reply, refused.wait(key))
      return await lookUp(token!, claims)
    } catch (error) {
      if (error instanceof Problem && error.status === 401) {
        requireNoWait(reply, refused.wait(key))
        refused.count(key)
      }
      throw error
    }
  }

  async function lookUp(token: string, claims: VerifiedClaims): Promise<ActiveSession> {
    const session = await sessions.find(claims.sid)
    if (session === null || session.userId !== claims.sub) throw new Problem('session-ended')
    if (verified.size >= REMEMBERED) verified.delete(verified.keys().next().value!)
    verified.set(digest(token), { session, endsAt: performance.now() + claims.exp * 1000 - Date.now() })
    return session
  }

  app.decorateRequest('session', null)
  app.decorate('requireSession', (request, reply, done) => {
    const token = bearerToken(request)
    const key = token === null ? '' : digest(token)
    const known = verified.get(key)
    if (known !== undefined) {
      if (known.endsAt > performance.now() && sessions.isCurrent(known.session)) {
        request.session = known.session
        return done()
      }
      verified.delete(key)
    }
    authenticate(request, reply, token).then((session) => {
      request.session = session
      done()
    }, done)
  })
  app.decorate('recheckSession', (request, _reply, done) => {
    const known = sessionOf(request)
    if (sessions.isCurrent(known)) return done()
    sessions.find(known.id).then((session) => {
      if (session === null) return done(new Problem('session-ended'))
      request.session = session
      done()
    }, done)
  })
  app.decorate('signAccessToken', (session) => {
    const left = Math.ceil((session.endsAt - performance.now()) / 1000)
    const lifetime = config.sessions.accessTokenSeconds
    // The token may outlive its session, so that a late request learns that the session has ended.
    const accessToken = app.jwt.sign(accessClaims(session), { expiresIn: lifetime })
    return { accessToken, expiresIn: Math.max(1, Math.min(lifetime, left)) }
  })
}

function bearerToken(request: FastifyRequest): string | null {
  const match = /^Bearer +(\S{1,4096}) *$/i.exec(request.headers.authorization ?? '')
  return match?.[1] ?? null
}

function digest(token: string): string {
  return hash('sha256', token, 'base64')
}

type VerifiedClaims = AccessClaims & { exp: number }

/** @throws {Problem} `unauthenticated`, `token-expired` */
function verify(app: FastifyInstance, token: string | null): VerifiedClaims {
  if (token === null) throw new Problem('unauthenticated')
  try {
    const claims = app.jwt.verify<VerifiedClaims>(token)
    if (uuid.test(claims.sid)) return claims
  } catch (error) {
    throw new Problem(
      (error as { code?: string }).code === 'FAST_JWT_EXPIRED' ? 'token-expired' : 'unauthenticated'
    )
  }
  // Another program has the secret, too.
  throw new Problem('unauthenticated')
}

/** The session of a request behind `requireSession`. */
export function sessionOf(request: FastifyRequest): ActiveSession {
  if (request.session === null) throw new Problem('unauthenticated')
  return request.session
}

export interface DeviceSession extends ActiveSession {
  readonly deviceId: string
}

/**
 * The session of a request that needs an active device. @throws {Problem} `device-required`, `device-pending`
 */
export function deviceSessionOf(request: FastifyRequest): DeviceSession {
  const session = sessionOf(request)
  if (session.deviceId === null) throw new Problem('device-required')
  if (!session.deviceActive) throw new Problem('device-pending')
  return session as DeviceSession
}

/**
 * A reset takes an account over with one signature, by a key that nobody knows yet. So it takes the password:
 * a session that was begun without a device, and has none.
 *
 * @throws {Problem} `forbidden`
 */
export function requireReset(session: Pick<ActiveSession, 'username' | 'deviceId'>, username: string): void {
  if (session.username === username && session.deviceId === null) return
  throw new Problem(
    'forbidden',
    'A `device-reset` takes the password of its user. Log in without `deviceId`, and send it in that session.'
  )
}
