import { generateKeyPairSync } from 'node:crypto'
import { and, eq, sql } from 'drizzle-orm'
import type { FastifyRequest } from 'fastify'
import { AuthResponse } from '../../../protocol/accounts.js'
import { Challenge, ChallengeRequest, DeviceLogin } from '../../../protocol/device-login.js'
import { statementText } from '../../../protocol/statement-texts.js'
import { ref } from '../../../protocol/schema.js'
import { challenges } from '../../access/challenges.js'
import { holdAccount } from '../../access/accounts.js'
import { logFailedLogin } from '../../access/login-throttle.js'
import { requireNoWait } from '../../access/rate-limits.js'
import { isValidSignature, readSigningKey } from '../../chains/public-keys.js'
import type { Config } from '../../config.js'
import type { Db, Tx } from '../../db/database.js'
import { isDatabaseDown } from '../../db/errors.js'
import { devices, usedNonces, users } from '../../db/schema.js'
import type { App } from '../../http/app.js'
import { transaction } from '../../log/append-events.js'
import { problemResponses } from '../../http/problem-responses.js'
import { Problem } from '../../http/problem.js'
import type { Services } from '../../services.js'
import { insertSession } from './session-store.js'
import { signIn } from './sign-in.js'

const NOBODY = '00000000-0000-0000-0000-000000000000'

type Parts = Pick<Services, 'attempts' | 'config' | 'db' | 'log' | 'logins' | 'refresh' | 'secret'>

/** A device signs in with its key (docs/protocol.md, "Signing in with a device's key"). */
export function deviceLoginRoutes(app: App, services: Parts): void {
  const { attempts, config, db, refresh } = services
  const { enabled, idleDays } = config.deviceLogin
  const { make, isValid } = challenges(services.secret)
  const nobody = { id: NOBODY, username: 'nobody', ...decoyKey() }
  const perDevice = attempts.of('device-logins')
  const requireEnabled = () => {
    if (!enabled) throw new Problem('forbidden', 'This server takes no keys. Log in with the password.')
  }

  app.post(
    '/auth/challenges',
    {
      config: { limit: 'auth' },
      schema: {
        operationId: 'createChallenge',
        tags: ['accounts'],
        summary: 'Get a nonce, for a device to sign in with its key',
        description: 'It looks the same for a device that does not exist. It counts once, within a minute.',
        body: ref(ChallengeRequest),
        response: { 201: ref(Challenge), ...problemResponses('forbidden') }
      }
    },
    async (request, reply) => {
      requireEnabled()
      const { nonce, expiresAt } = make(request.body.deviceId)
      return reply.status(201).send({ nonce, expiresAt: expiresAt.toISOString() })
    }
  )

  app.post(
    '/auth/device-login',
    {
      config: { limit: 'auth' },
      schema: {
        operationId: 'logInWithDevice',
        tags: ['accounts'],
        summary: 'Log in with the key of a device',
        description:
          'The device signs a `device-login` statement that names this server and the nonce. Not after a log-out, and ' +
          'not after a long absence: these take the password.',
        body: ref(DeviceLogin),
        response: {
          200: ref(AuthResponse),
          ...problemResponses('invalid-credentials', 'forbidden', 'suspended')
        }
      }
    },
    async (request, reply) => {
      requireEnabled()
      const { deviceId, nonce, signature } = request.body
      // All that fails takes the same way: one query, and a check of the signature by some key.
      const found = await findDevice(db, deviceId, idleDays)
      const { id, username, signingKey } = found ?? nobody
      const texts = originsOf(request, config.http.publicOrigin).map((server) => {
        const by = (found ?? nobody).fingerprint
        return statementText({ kind: 'device-login', server, user: username, device: id, nonce, by })
      })
      const isSigned = isSignedBy(signingKey, texts, signature)
      if (!isValid(nonce, deviceId) || found === null || !isSigned)
        throw refused(request, found === null ? 'unknown-device' : 'wrong-signature')
      const wait = perDevice.wait(id)
      if (wait > 0) logFailedLogin(request, 'limit-reached')
      requireNoWait(reply, wait, 'This device has signed in too often. Wait for the time in `Retry-After`.')
      perDevice.count(id)
      const response = await transaction(services, async (tx) => {
        await holdAccount(tx, found.userId)
        const device = await takeDevice(tx, id, idleDays)
        if (device === null) throw refused(request, 'unknown-device')
        if (!(await useNonce(tx, nonce))) throw refused(request, 'used-nonce')
        const session = await insertSession(tx, config.sessions, request, device, 'device')
        const [user] = await tx.select().from(users).where(eq(users.id, device.userId))
        return signIn(app, refresh, session, user!, device)
      }).catch((error: unknown) => {
        // Nobody has signed in, and the client tries again.
        if (isDatabaseDown(error)) perDevice.takeBack(id)
        throw error
      })
      services.logins.remember(username, request)
      return response
    }
  )
}

/** A key that nobody uses, to be checked in the place of one that is not there. */
function decoyKey(): { signingKey: string; fingerprint: string } {
  const { publicKey } = generateKeyPairSync('ed25519')
  const { pem, fingerprint } = readSigningKey(publicKey.export({ type: 'spki', format: 'pem' }).toString())
  return { signingKey: pem, fingerprint }
}

/**
 * The origins at which a client may have reached this server: the configured one, or what the request says. A proxy
 * before it may have taken off TLS.
 */
function originsOf({ host }: FastifyRequest, configured: string | undefined): string[] {
  if (configured !== undefined) return [configured]
  const isHost = /^[A-Za-z0-9_.-]{1,253}(:\d{1,5})?$|^\[[0-9A-Fa-f:.]{2,45}\](:\d{1,5})?$/.test(host)
  const origins = ['http', 'https'].map((scheme) => `${scheme}://${isHost ? host : 'no-host.invalid'}`)
  return origins.filter((origin) => URL.canParse(origin)).map((origin) => new URL(origin).origin)
}

/** Whether one of the texts bears this signature. */
function isSignedBy(signingKey: string, texts: readonly string[], signature: string): boolean {
  const { key } = readSigningKey(signingKey)
  const bytes = Buffer.from(signature, 'base64')
  return texts.filter((text) => isValidSignature(key, Buffer.from(text), bytes)).length > 0
}

function refused(
  request: FastifyRequest,
  reason: 'unknown-device' | 'wrong-signature' | 'used-nonce'
): Problem {
  logFailedLogin(request, reason)
  return new Problem('invalid-credentials', 'The key of this device does not let it in. Use the password.')
}

/** SQL: whether a device may sign in with its key. A recovery device is a backup, and nobody sits at it. */
const mayComeBack = (idleDays: number) =>
  and(
    eq(devices.status, 'active'),
    eq(devices.purpose, 'chat'),
    sql`${devices.seenAt} > now() - ${idleDays} * interval '1 day'`
  )

async function findDevice(db: Db, id: string, idleDays: Config['deviceLogin']['idleDays']) {
  const [found] = await db
    .select({
      id: devices.id,
      userId: devices.userId,
      username: users.username,
      signingKey: devices.signingKey,
      fingerprint: devices.signingFingerprint
    })
    .from(devices)
    .innerJoin(users, eq(users.id, devices.userId))
    .where(and(eq(devices.id, id), mayComeBack(idleDays)))
  return found ?? null
}

/** The same again, locked: a log-out or a revocation at the same time has its effect. */
async function takeDevice(tx: Tx, id: string, idleDays: number) {
  const [device] = await tx
    .select()
    .from(devices)
    .where(and(eq(devices.id, id), mayComeBack(idleDays)))
    .for('no key update')
  return device ?? null
}

/** @returns false if the nonce was used before, with whatever process */
async function useNonce(tx: Tx, nonce: string): Promise<boolean> {
  const rows = await tx
    .insert(usedNonces)
    // Clocks of processes may differ by some minutes.
    .values({ nonce: Buffer.from(nonce, 'base64'), expiresAt: sql`now() + interval '15 minutes'` })
    .onConflictDoNothing()
    .returning({ nonce: usedNonces.nonce })
  return rows.length > 0
}
