import { Agent } from 'node:http'
import { eq } from 'drizzle-orm'
import type { Test } from 'tap'
import { accessClaims } from '../../src/server/access/tokens.js'
import { sessions } from '../../src/server/db/schema.js'
import { operatorOf, promote, socketIn } from './admin.js'
import { cheapKeys, startTarget, type Target } from './bad-input.js'
import { draft } from './draft.js'
import type { Statement } from './interop/chains.js'
import { type InteropClient } from './interop/client.js'
import type { HeldKey } from './interop/conversations.js'
import { expect } from './interop/http.js'
import { conversation, sessionId } from './people.js'

/** Everybody who may call, by short names. */
export const CALLERS = {
  none: 'anonymous',
  junk: 'with a token that nobody made',
  exp: 'with an expired token of the group’s admin',
  strg: 'a user who is in no conversation with the others',
  memb: 'a member of the group',
  remv: 'a member who was removed from it',
  gadm: 'the admin of the group',
  pend: 'a device of a member that waits for approval',
  nodv: 'a session of a member without a device',
  revk: 'a revoked device of a member, with the token of before',
  susp: 'a suspended member, with the token of before',
  lgdo: 'a member who has logged out, with the token of before',
  sadm: 'an admin of the server, in no group',
  stal: 'such an admin in an older session',
  sock: 'the operator at the socket of the administration'
} as const
export type CallerName = keyof typeof CALLERS

export interface Caller {
  readonly name: CallerName
  /** Signs what the caller sends, and has the name, the password and the devices that it speaks of. */
  readonly client: InteropClient
  readonly token: string | null
  /** Reaches the socket of the administration. */
  readonly socket?: Agent
}

/** What there is on the server. */
export interface World extends Target {
  readonly callers: readonly Caller[]
  readonly admin: InteropClient
  /** Another device of the group's admin. */
  readonly tablet: InteropClient
  readonly member: InteropClient
  /** Devices of users whose caller has none that is active. */
  readonly devices: readonly InteropClient[]
  readonly group: string
  /** Made while the removed member was in. */
  readonly firstKey: HeldKey
  readonly newestKey: HeldKey
}

/** For so long a session may administrate, and a minute. */
const TOO_LONG_MS = 11 * 60_000

/** A server with one caller of each kind. The members of the group were all in when it was made. */
export async function startWorld(t: Test): Promise<World> {
  const target = await startTarget(t)
  // The first account is an admin.
  const serverAdmin = await target.user('judy')
  const staleAdmin = await target.user('kate')
  const stranger = await target.user('dora')
  const admin = await target.user('alice')
  const tablet = await sessionWithoutDevice(target, admin)
  expect(await tablet.addDevice(admin.keys), 201)
  const member = await target.user('bobby')
  const removed = await target.user('carol')
  const awaited = await target.user('erin')
  const absent = await target.user('frank')
  const revoked = await target.user('gina')
  const suspended = await target.user('hugo')
  const gone = await target.user('ivan')
  for (const somebody of [serverAdmin, staleAdmin]) await promote(target, somebody)
  await target.services.db
    .update(sessions)
    .set({ createdAt: new Date(Date.now() - TOO_LONG_MS) })
    .where(eq(sessions.id, sessionId(staleAdmin)))

  const members = [member, removed, awaited, absent, revoked, suspended, gone]
  const group = await conversation(admin, members)
  const firstKey = currentKey(admin, group)
  expect(await admin.send(group, 'Hello'), 201)
  expect(await admin.removeMember(group, removed.username), 201)

  const pending = (await askingDevice(target, awaited)).client
  const bare = await sessionWithoutDevice(target, absent)
  expect(await operatorOf(target)('PUT', '/users/hugo/suspension'), 204)
  expect(await gone.logout(), 204)
  expect(await revoked.revoke(revoked.deviceId), 200)
  expect(await admin.newKey(group), 201)
  const newestKey = currentKey(admin, group)

  const nobody = await target.device('nobody')
  const expired = await sessionLike(target, admin)
  const socket = new Agent({ socketPath: socketIn(target.services.config.database.dataDir) } as object)
  t.teardown(() => socket.destroy())
  const callers: Record<CallerName, Omit<Caller, 'name'>> = {
    none: { client: nobody, token: null },
    junk: { client: nobody, token: 'garbage' },
    exp: { client: expired, token: expiredToken(target, expired) },
    strg: signedIn(stranger),
    memb: signedIn(member),
    remv: signedIn(removed),
    gadm: signedIn(admin),
    pend: signedIn(pending),
    nodv: signedIn(bare),
    revk: signedIn(revoked),
    susp: signedIn(suspended),
    lgdo: signedIn(gone),
    sadm: signedIn(serverAdmin),
    stal: signedIn(staleAdmin),
    sock: { client: nobody, token: null, socket }
  }
  return {
    ...target,
    callers: Object.entries(callers).map(([name, caller]) => ({ name: name as CallerName, ...caller })),
    admin,
    tablet,
    member,
    devices: [awaited, absent],
    group,
    firstKey,
    newestKey
  }
}

const signedIn = (client: InteropClient) => ({ client, token: client.accessToken! })

const currentKey = (of: InteropClient, id: string) => of.sessionKeys.get(of.currentKey.get(id)!)!

/** A session of the user that has no device. */
export async function sessionWithoutDevice(target: Target, of: InteropClient): Promise<InteropClient> {
  const session = await target.device(of.username)
  expect(await session.login(false), 200)
  return session
}

/** Another session of the same device. */
async function sessionLike(target: Target, of: InteropClient): Promise<InteropClient> {
  const session = await target.device(of.username, { keys: of.keys })
  Object.assign(session, { deviceId: of.deviceId })
  expect(await session.login(), 200)
  return session
}

/** A device of the user that waits for approval, with the statement that it asks to be signed. */
export async function askingDevice(
  target: Target,
  of: InteropClient
): Promise<{ client: InteropClient; statement: Statement }> {
  const client = await sessionWithoutDevice(target, of)
  const body = (await draft(client, client, (device) => device.addDevice())) as { statement: Statement }
  expect(await client.raw('POST', '/v1/devices', { body }), 202)
  return { client, statement: body.statement }
}

function expiredToken({ app }: Target, of: InteropClient): string {
  const hourAgo = Math.floor(Date.now() / 1000) - 3600
  const claims = accessClaims({ id: sessionId(of), userId: of.userId, deviceId: of.deviceId })
  return app.jwt.sign({ ...claims, iat: hourAgo } as typeof claims, { expiresIn: 60 })
}

/** Keys of a device that replaces its encryption key. */
export const renewedKeys = (of: InteropClient) => cheapKeys({ signing: of.keys.signingPrivate })
