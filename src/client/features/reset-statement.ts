import type { UserHistory } from '../../protocol/user-history.js'
import { ChatError, isRefusal, untrusted } from '../errors.js'
import type { DeviceKeys } from '../identity/device-keys.js'
import { newDevice } from '../identity/device-statements.js'
import type { PendingStatements } from '../identity/pending.js'
import type { UserChains } from '../identity/user-chains.js'
import type { Api } from '../transport/api.js'

const PATH = '/v1/devices'
const TRIES = 5

/** Brings the statement by which a user begins again into the user's chain. */
export class ResetStatement {
  readonly #api: Api
  readonly #users: UserChains
  readonly #pending: PendingStatements

  constructor(api: Api, users: UserChains, pending: PendingStatements) {
    this.#api = api
    this.#users = users
    this.#pending = pending
  }

  /**
   * @param device begins the new root
   * @returns whether the chain had the statement before
   */
  async post(device: DeviceKeys): Promise<boolean> {
    try {
      return await this.#extend(device)
    } catch (error) {
      if (!(error instanceof ChatError) || error.code !== 'forked-chain') throw error
      return this.#beginOn(device)
    }
  }

  async #extend(device: DeviceKeys): Promise<boolean> {
    const { username, signing } = device
    let isInChain = false
    await this.#pending.postReset(username, async ({ chain, devices }) => {
      isInChain = devices.has(signing.fingerprint)
      if (isInChain) return null
      const body = await newDevice('device-reset', device, chain)
      const request = { method: 'POST', path: PATH, body } as const
      return { username, sequence: chain.sequence + 1, signed: body.statement, request }
    })
    return isInChain
  }

  /**
   * The server shows another chain than this device has known, and a reset retires all devices of either. The
   * shown one takes the place of the copy only with the reset in it: nothing is ever sealed for its devices.
   */
  async #beginOn(device: DeviceKeys): Promise<boolean> {
    const { username, signing } = device
    const isBegun = ({ chain }: UserHistory): boolean => chain.root === signing.fingerprint
    for (let tries = 1; tries <= TRIES; tries++) {
      const { history } = await this.#users.shown.of(username)
      if (isBegun(history)) {
        await this.#users.accept(username, isBegun)
        await this.#users.sync([username])
        return tries === 1
      }
      const body = await newDevice('device-reset', device, history.chain)
      await this.#api.call({ method: 'POST', path: PATH, body }).catch((error: unknown) => {
        if (!isRefusal(error, 'stale-chain')) throw error
      })
    }
    throw untrusted('ignored-statement', 'The server does not show the reset, though it has confirmed it.')
  }
}
