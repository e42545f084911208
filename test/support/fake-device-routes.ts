import { statementHash } from '../../src/crypto/statements.js'
import type { EncryptionKeyRequest, NewDevice, StatementRequest } from '../../src/protocol/devices.js'
import { empty, FakeProblem, json, page } from './fake-answers.js'
import type { FakeRequest, FakeWorld } from './fake-world.js'

/** The devices of the caller. */
export async function deviceRoutes(world: FakeWorld, request: FakeRequest): Promise<Response | undefined> {
  const { method, path, body, username, deviceId } = request
  const [, id, rest] = /^\/v1\/devices(?:\/([^/]+)(?:\/(.*))?)?$/.exec(path) ?? []
  if (!path.startsWith('/v1/devices')) return undefined
  const user = world.view(username!, { username: username!, deviceId })!
  const shown = (of: string, status = 201): Response =>
    json({ device: user.list().find((device) => device.id === of) }, status)
  switch (`${method} ${id === undefined ? '' : 'id '}${rest ?? ''}`.trim()) {
    case 'GET':
      return page(user.list())
    case 'POST':
      return post(body as NewDevice)
    case 'DELETE id':
      if (!user.waiting.delete(id!)) throw new FakeProblem('device-not-pending')
      return empty()
    case 'POST id approval':
      return approve(body as StatementRequest)
    case 'POST id revocation':
      await world.extendUser(user, (body as StatementRequest).statement)
      return shown(id!)
    case 'PUT id encryption-key': {
      const { statement, ...keys } = body as EncryptionKeyRequest
      const { signingKey } = user.devices.get(id!)!
      await world.extendUser(user, statement, { id: id!, signingKey, ...keys })
      return shown(id!, 200)
    }
  }
  return undefined

  async function post(device: NewDevice): Promise<Response> {
    const { name, statement, ...keys } = device
    const session = world.sessions.get(request.headers.get('authorization')!.replace('Bearer ', ''))!
    if (user.history!.hashes.includes(await statementHash(statement.text))) {
      session.deviceId ??= keys.id
      return shown(keys.id)
    }
    const isReset = statement.text.startsWith('secure-chat/v1 device-reset\n')
    if (isReset || Object.keys(statement.signatures).length === 2) {
      await world.extendUser(user, statement, keys)
      user.names.set(keys.id, name)
      session.deviceId ??= keys.id
      return shown(keys.id)
    }
    if (!statement.text.includes(`\nprevious ${user.head}\n`)) throw new FakeProblem('stale-chain')
    user.names.set(keys.id, name)
    session.deviceId ??= keys.id
    user.waiting.set(keys.id, device)
    world.log.append([username!], 'device.requested', { deviceId: keys.id, name, statement })
    return shown(keys.id)
  }

  /** The device has signed the same text before. */
  async function approve({ statement }: StatementRequest): Promise<Response> {
    if (user.history!.hashes.includes(await statementHash(statement.text))) return shown(id!)
    if (!user.history!.chain.devices.has(deviceId ?? '')) throw new FakeProblem('device-required')
    const waiting = user.waiting.get(id!)
    if (waiting === undefined) throw new FakeProblem('device-not-found')
    if (waiting.statement.text !== statement.text) throw new FakeProblem('invalid-signature')
    const signatures = { ...waiting.statement.signatures, ...statement.signatures }
    await world.extendUser(user, { text: statement.text, signatures }, waiting)
    return shown(id!)
  }
}
