import type {
  AuthResponse,
  Registration,
  UserChainsRequest,
  UserStatements
} from '../../src/protocol/accounts.js'
import { sha256Hex } from './interop/crypto.js'
import { empty, FakeProblem, json, page } from './fake-answers.js'
import { TIME, type FakeUser } from './fake-user.js'
import type { FakeRequest, FakeSession, FakeWorld } from './fake-world.js'

/** Sessions, users and their chains. */
export async function accountRoutes(world: FakeWorld, request: FakeRequest): Promise<Response | undefined> {
  const { method, path, query, body, username, deviceId } = request
  const viewer = { username: username ?? '', deviceId }
  switch (`${method} ${path}`) {
    case 'GET /v1/server':
      return json({
        name: 'secure-chat',
        version: '0.1.0',
        protocol: 'secure-chat/v1',
        registration: 'open',
        moderators: [],
        limits: LIMITS,
        notice: null,
        time: TIME
      })
    case 'POST /v1/auth/register':
      return register(world, request)
    case 'POST /v1/auth/register/check':
      return empty()
    case 'POST /v1/auth/login':
      return logIn(world, request)
    case 'POST /v1/auth/refresh': {
      const session = world.sessions.get(body.refreshToken as string)
      if (session === undefined) throw new FakeProblem('invalid-refresh-token')
      return json(signIn(world, world.requireUser(session.username), session.deviceId))
    }
    case 'POST /v1/auth/logout':
      world.sessions.delete(request.headers.get('authorization')!.replace('Bearer ', ''))
      return empty()
    case 'GET /v1/auth/sessions':
      return page([])
    case 'POST /v1/users/chains':
      return page(chains(world, body as UserChainsRequest, viewer))
    case 'GET /v1/users':
      return page(
        [...world.users.values()].filter((user) => user.username.startsWith(query.get('prefix')!)).map(shown)
      )
    case 'GET /v1/presence':
    case 'GET /v1/users/me/blocks':
      return page([])
    case 'GET /v1/users/me/key-backup':
    case 'PUT /v1/users/me/key-backup':
    case 'DELETE /v1/users/me/key-backup':
      return keyBackup(world.requireUser(username!), request)
  }
  const [, name, rest] = /^\/v1\/users\/([^/]+)(\/chain)?$/.exec(path) ?? []
  if (name === undefined) return undefined
  const user = world.view(decodeURIComponent(name), viewer)
  if (user === undefined) throw new FakeProblem('user-not-found')
  if (rest === undefined) return json(user.profile(Number(query.get('after') ?? 0)))
  const { statements, keys } = body as UserStatements
  for (const signed of statements) {
    const bound = keys.find(({ device }) => signed.text.includes(`\ndevice ${device}\n`))
    await world.extendUser(user, signed, bound && { id: bound.device, encryptionKey: '', ...bound })
  }
  return json({ head: user.head, sequence: user.statements.length })
}

const LIMITS = { ciphertextBytes: 65_536, members: 1024, devices: 16, rsaKeyBits: 4096 }

async function register(world: FakeWorld, { body }: FakeRequest): Promise<Response> {
  const { username, password, device } = body as Registration
  if (world.users.has(username)) throw new FakeProblem('username-taken')
  const user = world.user(username)
  user.password = password
  const { name, statement, ...keys } = device
  user.names.set(keys.id, name)
  await user.append(statement, keys)
  return json(signIn(world, user, keys.id), 201)
}

async function logIn(world: FakeWorld, { body }: FakeRequest): Promise<Response> {
  const { username, password, deviceId } = body as { username: string; password: string; deviceId?: string }
  const user = world.users.get(username)
  if (user === undefined || user.password !== password) throw new FakeProblem('invalid-credentials')
  if (deviceId !== undefined) {
    if (user.waiting.has(deviceId)) throw new FakeProblem('device-pending')
    if (!user.history!.chain.devices.has(deviceId)) throw new FakeProblem('device-not-found')
  }
  return json(signIn(world, user, deviceId ?? null))
}

function signIn(world: FakeWorld, user: FakeUser, deviceId: string | null): AuthResponse {
  const device = deviceId === null ? null : user.shown(user.devices.get(deviceId)!, 'active')
  return { user: shown(user), device, ...world.begin(user.username, deviceId), expiresIn: 900 }
}

function shown({ id, username }: FakeUser): AuthResponse['user'] {
  return { id, username, kind: 'member', createdAt: TIME }
}

function chains(world: FakeWorld, { users }: UserChainsRequest, viewer: FakeSession): unknown[] {
  return users.flatMap(({ username, after }) => world.view(username, viewer)?.page(after) ?? [])
}

function keyBackup(user: FakeUser, { method, bytes, headers }: FakeRequest): Response {
  const { backup } = user
  if (method !== 'PUT' && backup === null) throw new FakeProblem('key-backup-not-found')
  if (method === 'GET')
    return new Response(new Uint8Array(backup!.bytes), {
      headers: { 'content-type': 'application/octet-stream', etag: backup!.etag }
    })
  const expected = headers.get('if-match') ?? (headers.get('if-none-match') === '*' ? null : undefined)
  if (expected === undefined) throw new FakeProblem('precondition-required')
  if (expected !== (backup?.etag ?? null)) throw new FakeProblem('precondition-failed')
  user.backup = method === 'PUT' ? { bytes: bytes!, etag: `"${sha256Hex(Buffer.from(bytes!))}"` } : null
  return new Response(null, { status: 204, headers: user.backup === null ? {} : { etag: user.backup.etag } })
}
