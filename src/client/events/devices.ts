import type { Static } from 'typebox'
import { DevicePage } from '../../protocol/devices.js'
import type { durableEvents } from '../../protocol/events.js'
import { parseStatement } from '../../protocol/parse-statement.js'
import { untrusted } from '../errors.js'
import type { Boundaries } from '../conversations/boundaries.js'
import type { ErasedUsers } from '../identity/erased-users.js'
import type { OwnDevice } from '../identity/own-device.js'
import type { UserChains } from '../identity/user-chains.js'
import { USER_STATEMENTS } from '../identity/verify-user-chain.js'
import type { LeftOutDevices } from '../session-keys/left-out.js'
import type { KeyRenewals } from '../session-keys/renewals.js'
import type { StoreTransaction } from '../stores/store.js'
import type { Api } from '../transport/api.js'
import type { ChatEvent } from '../types/events.js'
import type { Handled } from '../identity/handled.js'

const CHANGES = { 'device-add': 'added', 'device-rekey': 'rekeyed', 'device-revoke': 'revoked' } as const

/** Handles requests of the user's new devices, and changes of any user's devices. */
export class DeviceEvents {
  readonly #api: Api
  readonly #users: UserChains
  readonly #boundaries: Boundaries
  readonly #renewals: KeyRenewals
  readonly #leftOut: LeftOutDevices
  readonly #me: OwnDevice
  readonly #erased: ErasedUsers

  constructor(
    api: Api,
    users: UserChains,
    boundaries: Boundaries,
    renewals: KeyRenewals,
    leftOut: LeftOutDevices,
    me: OwnDevice,
    erased: ErasedUsers
  ) {
    this.#api = api
    this.#users = users
    this.#boundaries = boundaries
    this.#renewals = renewals
    this.#leftOut = leftOut
    this.#me = me
    this.#erased = erased
  }

  async *requested({
    deviceId,
    name,
    statement: signed
  }: Static<(typeof durableEvents)['device.requested']>): AsyncGenerator<Handled> {
    const statement = parseStatement(signed.text, ['device-add'])
    const isOwn = statement.user === this.#me.username && statement.device === deviceId
    if (!isOwn) throw untrusted('ghost-device', 'A device asks for approval with a statement of another one.')
    if (this.#me.standing !== 'active' || deviceId === this.#me.device?.id) return
    if (await this.#isPending(deviceId)) yield { events: [{ type: 'device-requested', deviceId, name }] }
  }

  /**
   * A reset shows itself by the alarm that it raises, as it does without an event. If no conversation has
   * brought the user yet, only goings are noted: the conversation may come later.
   */
  async *statement({
    username,
    sequence,
    position,
    statement: signed
  }: Static<(typeof durableEvents)['device.chain']>): AsyncGenerator<Handled> {
    const statement = parseStatement(signed.text, USER_STATEMENTS)
    const { kind, device: deviceId } = statement
    const isMet = (await this.#users.peek(username)) !== undefined
    if (!isMet && kind !== 'device-revoke' && kind !== 'device-reset') return
    const history = await this.#users.take(username, signed, sequence)
    const gone = [...history.devices.values()].filter(({ retired }) => retired === sequence)
    const changes: ChatEvent[] =
      kind === 'device-reset' || !isMet
        ? []
        : [{ type: 'device-changed', username, change: CHANGES[kind], deviceId }]
    const isToRenew = kind === 'device-revoke' && username === this.#me.username && !this.#isOwn(signed)
    const isAdded = kind === 'device-add' && username === this.#me.username
    yield {
      events: changes,
      commit: async (tx) => {
        for (const { signingKey } of gone)
          await this.#boundaries.noteSeen(tx, history, signingKey, sequence, position)
        if (isAdded) await this.#leftOut.note(tx, statement.signingKey)
        if (isToRenew) await this.#renewals.plan(tx, false)
      }
    }
  }

  /** Only the server says so: nothing that was verified changes. */
  async *userDeleted({ username }: Static<(typeof durableEvents)['user.deleted']>): AsyncGenerator<Handled> {
    const commit = (tx: StoreTransaction) => this.#erased.note(tx, username)
    yield { events: [{ type: 'user-deleted', username }], commit }
  }

  #isOwn({ signatures }: { signatures: Record<string, string> }): boolean {
    return (this.#me.device?.signing.fingerprint ?? '') in signatures
  }

  /** The device may have been approved or rejected since it asked. */
  async #isPending(deviceId: string): Promise<boolean> {
    const { body } = await this.#api.call({ method: 'GET', path: '/v1/devices', response: DevicePage })
    return body.items.some(({ id, status }) => id === deviceId && status === 'pending')
  }
}
