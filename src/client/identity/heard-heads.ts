import type { Store, StoreTransaction } from '../stores/store.js'
import { untrusted } from '../errors.js'

/** Where a chain ended for somebody whom this person trusts. */
export type HeardHead = { sequence: number; head: string; from: string }

/** By the signing key of the own device that sent it, or by the name of another source. */
type Heard = { [by: string]: HeardHead }

/** The hash of a statement of a chain as this client has it; undefined beyond its end. */
type HashAt = (sequence: number) => string | undefined

const SIGNING_KEY = /^[0-9a-f]{64}$/

/**
 * Ends of chains that own devices, or a member who added this person, have sent in messages. The server has to
 * show as much, and the same.
 */
export class HeardHeads {
  readonly #store: Store

  constructor(store: Store) {
    this.#store = store
  }

  /**
   * The farther of two heads from one source counts.
   *
   * @param name a username, or a conversation's id
   * @param by the source: a signing key of an own device, or a name
   */
  async note(tx: StoreTransaction, name: string, by: string, heard: HeardHead): Promise<void> {
    const all = (await tx.get<Heard>(recordName(name))) ?? {}
    const before = all[by]
    if (before === undefined || heard.sequence > before.sequence)
      tx.set(recordName(name), { ...all, [by]: { ...heard } })
  }

  /**
   * @param counts whether a source's word counts
   * @param look fetches what the server shows, if the chain is too short
   * @throws {ChatError} `withheld-chain` or `forked-chain` (`untrusted`)
   */
  async require(
    name: string,
    counts: (by: string) => boolean,
    hashAt: HashAt,
    look: () => Promise<HashAt>
  ): Promise<void> {
    const heard = Object.entries((await this.#store.get<Heard>(recordName(name))) ?? {})
    for (const [by, { sequence, head, from }] of heard) {
      if (!counts(by)) continue
      const hash = hashAt(sequence) ?? (await look())(sequence)
      if (hash === undefined)
        throw untrusted(
          'withheld-chain',
          `The server does not show statement ${sequence} of the chain of ${name}, which ${from} knows.`
        )
      if (hash !== head)
        throw untrusted(
          'forked-chain',
          `${from} knows another statement ${sequence} of the chain of ${name}: ${head}, not ${hash}.`
        )
    }
  }
}

/** The person has taken another chain in the place of the known one. */
export function forgetHeads(tx: StoreTransaction, name: string): void {
  tx.delete(recordName(name))
}

/** Forget what own devices have sent that are not among these: they were revoked. */
export async function keepHeadsFrom(tx: StoreTransaction, active: ReadonlySet<string>): Promise<void> {
  for (const [name, heard] of await tx.list<Heard>(recordName(''))) {
    const kept = Object.entries(heard).filter(([by]) => !SIGNING_KEY.test(by) || active.has(by))
    if (kept.length === 0) tx.delete(name)
    else if (kept.length < Object.keys(heard).length) tx.set(name, Object.fromEntries(kept))
  }
}

function recordName(name: string): string {
  return `heard-head/${name}`
}
