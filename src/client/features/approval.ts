import type { UserHistory } from '../../protocol/user-history.js'
import { decodeKemKey, kemFingerprint } from '../../crypto/kem.js'
import { fingerprint } from '../../crypto/keys.js'
import { linkNumber } from '../../crypto/link-number.js'
import { signStatement } from '../../crypto/statements.js'
import { ChatError, toUntrusted, untrusted } from '../errors.js'
import { bindingText, type BoundKeys } from '../identity/device-statements.js'
import type { OwnChain } from '../identity/own-chain.js'
import type { PendingStatements } from '../identity/pending.js'
import type { RekeySchedule } from '../identity/rekey-schedule.js'
import type { UserChains } from '../identity/user-chains.js'
import type { KeyForwarding } from '../session-keys/forward.js'
import { sameDigits } from './compared-digits.js'
import type { DeviceList } from './device-list.js'

/** The linked device's side of linking another one (docs/protocol.md, "Linking a device"). */
export class Approval {
  readonly #users: UserChains
  readonly #own: OwnChain
  readonly #pending: PendingStatements
  readonly #schedule: RekeySchedule
  readonly #forwarding: KeyForwarding
  readonly #list: DeviceList

  constructor(
    users: UserChains,
    own: OwnChain,
    pending: PendingStatements,
    schedule: RekeySchedule,
    forwarding: KeyForwarding,
    list: DeviceList
  ) {
    this.#users = users
    this.#own = own
    this.#pending = pending
    this.#schedule = schedule
    this.#forwarding = forwarding
    this.#list = list
  }

  /** @throws {ChatError} `device-not-found` (`usage`) if no such device waits */
  async number(deviceId: string): Promise<string> {
    const username = await this.#lookedAt()
    await this.#schedule.linkingOpened()
    return numberOf(await this.#users.get(username), await this.#servedKeys(username, deviceId))
  }

  /** @throws {ChatError} `other-number` (`usage`); `swapped-key` or `ignored-statement` (`untrusted`) */
  async approve(deviceId: string, number: string): Promise<void> {
    const username = await this.#lookedAt()
    const keys = await this.#servedKeys(username, deviceId)
    const { signingKey, encryptionKey, kemKey } = keys
    // Keys are shared with these fingerprints, whatever the chain says of the device's id later.
    const recipient = { deviceId, signingKey, encryptionKey, kemKey }
    await this.#pending.post(
      username,
      async (history) => {
        const { device } = await this.#own.requireActive()
        if (!sameDigits(number, await numberOf(history, keys)))
          throw new ChatError('usage', 'other-number', 'The link number is another one.', {
            hint: 'Compare it again on both devices. If the numbers differ, do not link the device.'
          })
        const { chain } = history
        if (chain.devices.has(deviceId)) return null
        const signed = await signStatement(bindingText('device-add', keys, chain), device.signing)
        const path = `/v1/devices/${deviceId}/approval`
        const request = { method: 'POST', path, body: { statement: signed } } as const
        return { username, sequence: chain.sequence + 1, signed, request }
      },
      (tx) => this.#forwarding.plan(tx, recipient)
    )
    requireBound(await this.#users.get(username), keys)
    await this.#forwarding.shareAll(recipient)
  }

  /** The own user, whose newest chain has this device. */
  async #lookedAt(): Promise<string> {
    const { username } = (await this.#own.requireActive()).account
    await this.#users.sync([username])
    await this.#own.requireActive()
    return username
  }

  /** The keys that the server shows for a device. The link number says whether they are the device's own. */
  async #servedKeys(username: string, deviceId: string): Promise<BoundKeys> {
    const served = (await this.#list.served()).find(({ id }) => id === deviceId)
    if (served === undefined || served.status === 'revoked')
      throw new ChatError('usage', 'device-not-found', 'No such device asks for approval.')
    const { signingKey, encryptionKey, kemKey } = served
    await this.#users.offerKeys([served])
    try {
      return {
        username,
        id: deviceId,
        purpose: 'chat',
        signingKey: await fingerprint(signingKey),
        encryptionKey: await fingerprint(encryptionKey),
        kemKey: kemKey === undefined ? '-' : await kemFingerprint(decodeKemKey(kemKey))
      }
    } catch (error) {
      throw toUntrusted(error, 'A key of the device that asks')
    }
  }
}

/** The number is for the head that the statement which adds the device extends. */
function numberOf(history: UserHistory, keys: BoundKeys): Promise<string> {
  const { username: user, id: device, signingKey, encryptionKey, kemKey } = keys
  const bound = history.devices.get(signingKey)
  const head =
    bound === undefined ? history.chain.head : (history.hashes[bound.added - 2] ?? history.chain.head)
  return linkNumber({ user, root: history.chain.root, head, device, signingKey, encryptionKey, kemKey })
}

function requireBound({ chain }: UserHistory, { id, ...keys }: BoundKeys): void {
  const bound = chain.devices.get(id)
  const isSame =
    bound?.signingKey === keys.signingKey &&
    bound.encryptionKey === keys.encryptionKey &&
    bound.kemKey === keys.kemKey
  if (!isSame)
    throw untrusted('swapped-key', 'The chain does not have the device with the keys that were compared.')
}
