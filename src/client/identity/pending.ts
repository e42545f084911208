import { parseStatement } from '../../protocol/parse-statement.js'
import type { SignedStatement } from '../../protocol/schema.js'
import type { UserHistory } from '../../protocol/user-history.js'
import { statementHash } from '../../crypto/statements.js'
import { ChatError, isDecidedRefusal, isRefusal, untrusted } from '../errors.js'
import { Mutex } from '../stores/mutex.js'
import type { Store, StoreTransaction, Value } from '../stores/store.js'
import { sleep } from '../transport/abort.js'
import type { Api } from '../transport/api.js'
import type { OwnChain } from './own-chain.js'
import type { UserChains } from './user-chains.js'
import { USER_STATEMENTS } from './verify-user-chain.js'

/** A signed statement that extends the own user's chain, with the request that posts it. */
export type OwnStatement = {
  username: string
  /** Its number in the chain. */
  sequence: number
  signed: SignedStatement
  request: { method: 'POST' | 'PUT'; path: string; body: Value }
}

/** @param history the user's chain, which the statement has to extend; null if there is nothing left to do */
export type MakeStatement = (history: UserHistory) => Promise<OwnStatement | null>

/** Writes what has to be stored together with the statement. */
type Belongs = (tx: StoreTransaction) => void | Promise<void>

type Stored = OwnStatement & { hash: string }
/** `lost`: another statement stands in its place. */
type Outcome = 'in-chain' | 'lost'

const NAME = 'pending-statement'
const LOST = 'lost-statement/'
const TRIES = 5
/** The shortest time after which a pending device signs again when the chain has moved on. */
const PENDING_DEVICE_MS = 1500

/**
 * Statements of the own user's chain that this device has signed. Each is stored before it is sent, and sent
 * again unchanged until the verified chain has it, or can't have it any more; until then no other is signed
 * (docs/protocol.md, "What a client believes").
 */
export class PendingStatements {
  readonly #api: Api
  readonly #store: Store
  readonly #users: UserChains
  readonly #own: OwnChain
  readonly #mutex = new Mutex()

  constructor(api: Api, store: Store, users: UserChains, own: OwnChain) {
    this.#api = api
    this.#store = store
    this.#users = users
    this.#own = own
  }

  /**
   * Sign a statement, post it, and see that the chain has it. If the chain moves meanwhile, sign another one.
   *
   * @param belongs writes what has to be stored together with the statement
   * @throws {ChatError} the server's refusal; as `OwnChain.requireActive`; or the statement stays, and `resume`
   *   sends it again: `ignored-statement` (`untrusted`) if the server says yes and does nothing, `server-behind`
   *   (`untrusted`) if it says no and hides the end of the chain, `unreachable`
   */
  post(username: string, make: MakeStatement, belongs?: Belongs): Promise<void> {
    const guarded: MakeStatement = async (history) => {
      await this.#own.requireActive()
      return make(history)
    }
    return this.#mutex.runExclusive(() => this.#post(username, guarded, belongs))
  }

  /** The same for a statement that begins the chain again, which needs no active device. */
  postReset(username: string, make: MakeStatement): Promise<void> {
    return this.#mutex.runExclusive(() => this.#post(username, make))
  }

  /** Whether it is open what became of a statement of this device. */
  async isOpen(): Promise<boolean> {
    return (await this.#store.get(NAME)) !== undefined
  }

  /**
   * Send again what is pending.
   *
   * @returns statements that have not come into the chain, and can't any more, by names for `forget`
   */
  resume(): Promise<[name: string, lost: SignedStatement][]> {
    return this.#mutex.runExclusive(async () => {
      await this.#settle()
      return this.#store.list<SignedStatement>(LOST)
    })
  }

  /** What a lost statement was to do is done by another, or the person was told that it is not. */
  async forget(name: string): Promise<void> {
    await this.#store.update((tx) => tx.delete(name))
  }

  async #post(username: string, make: MakeStatement, belongs?: Belongs): Promise<void> {
    for (let tries = 1; ; tries++) {
      await this.#settle()
      await this.#users.sync([username])
      const made = await make(await this.#users.get(username))
      if (made === null) return
      const stored = { ...made, hash: await statementHash(made.signed.text) }
      try {
        if ((await this.#keep(stored, belongs)) && (await this.#send(stored)) === 'in-chain') return
        if (tries === TRIES)
          throw new ChatError('unreachable', 'busy-chain', 'Your other devices change the chain.')
      } catch (error) {
        if (tries === TRIES || !isRefusal(error, 'stale-chain', 'invalid-signature')) throw error
        if (error.code === 'invalid-signature') await sleep(PENDING_DEVICE_MS, this.#api.closed)
      }
    }
  }

  /** Find out what became of a statement that was sent before. If it is lost, `resume` returns it. */
  async #settle(): Promise<void> {
    const stored = await this.#store.get<Stored>(NAME)
    if (stored === undefined) return
    await this.#send(stored, { isKept: true }).catch((error: unknown) => {
      if (!isDecidedRefusal(error)) throw error
    })
  }

  /**
   * Only the verified chain says what became of the statement.
   *
   * @param options.isKept whether it is kept if it is lost
   */
  async #send(stored: Stored, { isKept = false } = {}): Promise<Outcome> {
    const { username, sequence, hash, signed, request } = stored
    const refusal = await this.#api.call(request).then(
      () => null,
      (error: unknown) => {
        if (isDecidedRefusal(error)) return error
        throw error
      }
    )
    await this.#users.sync([username])
    const { hashes } = await this.#users.get(username)
    const found = hashes[sequence - 1]
    if (refusal === null && found === undefined)
      throw untrusted(
        'ignored-statement',
        'The server said that it has changed your devices, but it shows a chain without the change.'
      )
    // The part of the chain that the server hides may have the statement: nothing else is signed in its place.
    if (found === undefined) await this.#users.requireCurrent([username])
    await this.#store.update(async (tx) => {
      if ((await tx.get<Stored>(NAME))?.hash !== hash) return
      tx.delete(NAME)
      if (isKept && found !== hash) tx.set(lostName(signed), signed)
    })
    if (found === hash) return 'in-chain'
    if (found !== undefined) return 'lost'
    throw refusal!
  }

  /** Returns false if another process has a statement pending. */
  #keep(stored: Stored, belongs?: Belongs): Promise<boolean> {
    return this.#store.update(async (tx) => {
      if ((await tx.get(NAME)) !== undefined) return false
      tx.set(NAME, stored)
      await belongs?.(tx)
      return true
    })
  }
}

/** By what the statement was to do: however often it is signed again, it waits once. */
function lostName({ text }: SignedStatement): string {
  const { kind, device } = parseStatement(text, USER_STATEMENTS)
  return `${LOST}${kind}/${device}`
}
