import type { UserHistory } from '../../protocol/user-history.js'
import { bumpChainRevision } from './chain-revision.js'
import { keepHeadsFrom } from './heard-heads.js'
import type { Store, StoreReader, StoreTransaction } from '../stores/store.js'

/** The identity under which this person knows a user. */
export type Trust = {
  root: string
  /** Number of the statement that began this root in the user's chain. */
  since: number
  /** Whether safety numbers were compared. */
  verified: boolean
  /** Whether the person has said that it is the user's: by comparing numbers, or by accepting it. Else it was only met. */
  decided: boolean
}

/**
 * A root as this device stores it. `provisional`: the device met the user while it waited for what other own devices
 * know. `isUnsure`: the user had reset before a new or restored device met them. The person may have known them on
 * another device, and nobody says that the newest root is theirs.
 */
type Pin = Trust & { provisional: boolean; isUnsure: boolean }
/** What other own devices have sent, by the signing key of the sender. */
type Heard = { [signingKey: string]: Trust }

const WAITING = 'trust-waiting'
/** The device was restored, or goes on without what others know: its person has known users of whom nothing is here. */
const RESTORED = 'trust-restored'
/** What other own devices have told before was not read yet. */
const UNREAD = 'trust-unread'

/**
 * The root under which this person met each user first, or accepted them last, on any of their devices. It is
 * trusted on first use, until numbers are compared.
 */
export class TrustStore {
  readonly #store: Store

  constructor(store: Store) {
    this.#store = store
  }

  async of(username: string, store: StoreReader = this.#store): Promise<Trust | undefined> {
    const own = await store.get<Pin>(recordName(username))
    const heard = Object.values((await store.get<Heard>(heardName(username))) ?? {})
    const isWeak = own === undefined || ((own.provisional || own.isUnsure) && heard.length > 0)
    const [best] = (isWeak ? [...heard] : [own, ...heard]).sort(byWeight)
    return best && { root: best.root, since: best.since, verified: best.verified, decided: best.decided }
  }

  async list(): Promise<[username: string, trust: Trust][]> {
    const names = [...(await this.#names('trust/')), ...(await this.#names('trust-heard/'))]
    const found: [string, Trust][] = []
    for (const username of new Set(names)) found.push([username, (await this.of(username))!])
    return found.sort(([a], [b]) => (a < b ? -1 : 1))
  }

  /** Whom this device has met, and what the person has decided here: to be sent to the other devices. */
  async own(): Promise<[username: string, trust: Trust][]> {
    const records = await this.#store.list<Pin>('trust/')
    return records
      .filter(([, { provisional, isUnsure }]) => !provisional && !isUnsure)
      .map(([name, { root, since, verified, decided }]) => [
        name.slice('trust/'.length),
        { root, since, verified, decided }
      ])
  }

  /**
   * Pin a user who is met for the first time, unless other own devices know another root. Call it in the
   * transaction that stores the chain.
   */
  async pinOnFirstUse(tx: StoreTransaction, username: string, history: UserHistory): Promise<void> {
    if ((await tx.get(recordName(username))) !== undefined) return
    const newest = newestRoot(history)
    if (!(await isAsHeard(tx, username, newest.root))) return
    const provisional = (await tx.get(WAITING)) === true
    const isLate = provisional || (await tx.get(RESTORED)) === true
    const isUnsure = isLate && history.roots.length > 1
    this.#set(tx, username, { ...newest, verified: false, decided: false, provisional, isUnsure })
  }

  /** Take what the device that made the backup knew. */
  restore(tx: StoreTransaction, username: string, trust: Trust): void {
    this.#set(tx, username, { ...trust, provisional: false, isUnsure: false })
  }

  /** The device is made from a backup. It lacks all that was decided later. */
  beginRestored(tx: StoreTransaction): void {
    tx.set(RESTORED, true)
    tx.set(UNREAD, true)
  }

  /** Trust the newest root of this chain. It stays verified only if it was so before. */
  async accept(tx: StoreTransaction, username: string, history: UserHistory): Promise<void> {
    const newest = newestRoot(history)
    const before = await this.of(username)
    const verified = before?.root === newest.root && before.verified
    this.#set(tx, username, { ...newest, verified, ...DECIDED })
    await bumpChainRevision(tx)
  }

  /** Trust the newest root of this chain: safety numbers were compared, or a link has proved it. */
  async verify(tx: StoreTransaction, username: string, history: UserHistory): Promise<void> {
    this.#set(tx, username, { ...newestRoot(history), verified: true, ...DECIDED })
    await bumpChainRevision(tx)
  }

  /** Safety numbers have to be compared again, whatever other own devices have said. */
  async unverify(tx: StoreTransaction, username: string, history: UserHistory): Promise<void> {
    this.#set(tx, username, { ...newestRoot(history), verified: false, ...DECIDED })
    tx.delete(heardName(username))
  }

  /**
   * Whether keys and members under this root of another user may be used: it is the trusted one, or older in
   * the user's chain.
   */
  async admits(username: string, root: string, history: UserHistory): Promise<boolean> {
    const trust = await this.of(username)
    if (trust === undefined) return false
    const since = history.roots.find((one) => one.root === root)?.since
    if (root === trust.root) return !(await this.isUnsure(username))
    return since !== undefined && since < trust.since
  }

  /** Whether the person, here or on another own device, has decided on this root. */
  async hasDecided(username: string, root: string): Promise<boolean> {
    const own = await this.#store.get<Pin>(recordName(username))
    const heard = Object.values((await this.#store.get<Heard>(heardName(username))) ?? {})
    const known = own === undefined ? heard : [own, ...heard]
    const isDecided = known.some((one) => one.decided && one.root === root)
    return isDecided && (await this.of(username))?.root === root
  }

  /** Whether nobody says that the root which is known here is the user's. */
  async isUnsure(username: string): Promise<boolean> {
    const own = await this.#store.get<Pin>(recordName(username))
    return own?.isUnsure === true && (await this.#store.get(heardName(username))) === undefined
  }

  /** Take what another own device knows. @param by its signing key */
  async hear(tx: StoreTransaction, by: string, username: string, trust: Trust): Promise<void> {
    const heard = (await tx.get<Heard>(heardName(username))) ?? {}
    tx.set(heardName(username), { ...heard, [by]: { ...trust } })
    await bumpChainRevision(tx)
  }

  /** Forget what devices have sent that are not active at the end of the own chain: they were revoked. */
  async keepHeardFrom(tx: StoreTransaction, { chain }: UserHistory): Promise<void> {
    const active = new Set([...chain.devices.values()].map(({ signingKey }) => signingKey))
    await keepHeadsFrom(tx, active)
    for (const [name, heard] of await tx.list<Heard>('trust-heard/')) {
      const kept = Object.entries(heard).filter(([by]) => active.has(by))
      if (kept.length === 0) tx.delete(name)
      else if (kept.length < Object.keys(heard).length) tx.set(name, Object.fromEntries(kept))
    }
  }

  /** A new or restored device: what it meets now is provisional, until it knows what the others know. */
  wait(tx: StoreTransaction): void {
    tx.set(WAITING, true)
  }

  async isWaiting(): Promise<boolean> {
    return (await this.#store.get(WAITING)) === true
  }

  /** Whether what other own devices have told before this one came has to be read. */
  async isUnread(): Promise<boolean> {
    return (await this.isWaiting()) || (await this.#store.get(UNREAD)) === true
  }

  hasRead(tx: StoreTransaction): void {
    tx.delete(UNREAD)
  }

  /** The device knows what the others know. */
  async stopWaiting(tx: StoreTransaction): Promise<void> {
    if ((await tx.get(WAITING)) !== true) return
    tx.delete(WAITING)
    for (const [name, pin] of await tx.list<Pin>('trust/'))
      if (pin.provisional) {
        const username = name.slice('trust/'.length)
        if (await isAsHeard(tx, username, pin.root)) this.#set(tx, username, { ...pin, provisional: false })
        else tx.delete(name)
      }
    await bumpChainRevision(tx)
  }

  /** The person goes on without what the others know. */
  async goOnAlone(tx: StoreTransaction): Promise<void> {
    if ((await tx.get(WAITING)) === true) tx.set(RESTORED, true)
    await this.stopWaiting(tx)
  }

  /** Users about whom the other own devices have to be told. */
  dueNames(): Promise<string[]> {
    return this.#names('trust-due/')
  }

  clearDue(tx: StoreTransaction, usernames: readonly string[]): void {
    for (const username of usernames) tx.delete(`trust-due/${username}`)
  }

  #set(tx: StoreTransaction, username: string, pin: Pin): void {
    tx.set(recordName(username), pin)
    if (!pin.provisional) tx.set(`trust-due/${username}`, true)
  }

  async #names(prefix: string): Promise<string[]> {
    return (await this.#store.list(prefix)).map(([name]) => name.slice(prefix.length))
  }
}

/** The person has said that it is the user's. */
const DECIDED = { decided: true, provisional: false, isUnsure: false }

/**
 * A decision weighs more than a meeting, and the newest decision most: a server can have a device meet a root of its
 * own making. The person has met the oldest first of those that were only met.
 */
function byWeight(a: Trust, b: Trust): number {
  if (a.decided !== b.decided) return a.decided ? -1 : 1
  if (a.since !== b.since) return a.decided ? b.since - a.since : a.since - b.since
  return Number(b.verified) - Number(a.verified)
}

export function newestRoot({ roots }: UserHistory): { root: string; since: number } {
  const { root, since } = roots.at(-1)!
  return { root, since }
}

/** Whether no other own device knows the user, or one knows this root. */
async function isAsHeard(tx: StoreTransaction, username: string, root: string): Promise<boolean> {
  const heard = await tx.get<Heard>(heardName(username))
  return heard === undefined || Object.values(heard).some((one) => one.root === root)
}

function recordName(username: string): string {
  return `trust/${username}`
}

function heardName(username: string): string {
  return `trust-heard/${username}`
}
