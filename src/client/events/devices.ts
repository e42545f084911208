import type { Static } from 'typebox'
import { DevicePage } from '../../protocol/devices.js'
import type { durableEvents } from '../../protocol/events.js'
import { parseStatement } from '../../protocol/statements.js'
import { statementHash } from '../../crypto/statements.js'
import { untrusted } from '../errors.js'
import type { OwnDevice } from '../identity/own-device.js'
import type { TrustStore } from '../identity/trust-store.js'
import type { UserChains } from '../identity/user-chains.js'
import type { Api } from '../transport/api.js'
import type { Handled } from './handled.js'

const KINDS = ['device-add', 'device-rekey', 'device-revoke', 'device-reset'] as const
const CHANGES = { 'device-add': 'added', 'device-rekey': 'rekeyed', 'device-revoke': 'revoked' } as const

/** Handles requests of the user's new devices, and changes of any user's devices. */
export class DeviceEvents {
  readonly #api: Api
  readonly #users: UserChains
  readonly #trust: TrustStore
  readonly #me: OwnDevice

  constructor(api: Api, users: UserChains, trust: TrustStore, me: OwnDevice) {
    this.#api = api
    this.#users = users
    this.#trust = trust
    this.#me = me
  }

  async *requested({
    deviceId,
    name,
    statement: signed
  }: Static<(typeof durableEvents)['device.requested']>): AsyncGenerator<Handled> {
    const statement = parseStatement(signed.text, ['device-add'])
    const isOwn = statement.user === this.#me.username && statement.device === deviceId
    if (!isOwn) throw untrusted('ghost-device', 'A device asks for approval with a statement of another one.')
    if (deviceId === this.#me.active().device.id || !(await this.#isPending(deviceId))) return
    yield { events: [{ type: 'device-requested', deviceId, name, fingerprint: statement.signingKey }] }
  }

  async *statement({
    username,
    statement: signed
  }: Static<(typeof durableEvents)['device.chain']>): AsyncGenerator<Handled> {
    const statement = parseStatement(signed.text, KINDS)
    const { user } = await this.#users.sync(username)
    const { device: deviceId, sequence } = statement
    if (user.hashes[sequence - 1] !== (await statementHash(signed.text)))
      throw untrusted('forged-event', `${username}'s chain does not hold what an event says of it.`)
    if (statement.kind === 'device-reset') {
      const pin = await this.#trust.get(username)
      if (pin !== undefined && pin.root !== user.root)
        yield { events: [{ type: 'identity-changed', username, wasVerified: pin.verified }] }
      return
    }
    yield { events: [{ type: 'device-changed', username, change: CHANGES[statement.kind], deviceId }] }
  }

  /** The device may have been approved or rejected since it asked. */
  async #isPending(deviceId: string): Promise<boolean> {
    const { body } = await this.#api.call({ method: 'GET', path: '/v1/devices', response: DevicePage })
    return body.items.some(({ id, status }) => id === deviceId && status === 'pending')
  }
}
