import type { ConversationChains } from '../conversations/chains.js'
import type { OwnChain } from '../identity/own-chain.js'
import type { Trust, TrustStore } from '../identity/trust-store.js'
import type { UserChains } from '../identity/user-chains.js'
import type { Outbox } from '../outbox/outbox.js'
import type { Store } from '../stores/store.js'
import type { ChainHead, Content, LacksContent, TrustContent, TrustEntry } from '../types/content.js'
import type { ConversationCreation } from './conversation-creation.js'

/** Entries of one message. */
const MAX_ENTRIES = 200
/** Ends of chains are sent at most so often, after a random wait of up to the same time. */
const HEADS_EVERY_MS = 3_600_000
const HEADS_DUE = 'trust-heads-due'
/** The devices that were there when this one sent all that it knows. */
const SENT_TO = 'trust-sent-to'

type Entries = [username: string, entry: TrustEntry][]

/** Tells the user's other devices whom this person trusts, and where chains end (protocol, "Trust"). */
export class TrustSharing {
  readonly #store: Store
  readonly #users: UserChains
  readonly #trust: TrustStore
  readonly #own: OwnChain
  readonly #chains: ConversationChains
  readonly #creation: ConversationCreation
  readonly #outbox: Outbox
  readonly #now: () => number
  readonly #random: () => number
  #pending: Promise<void> | null = null

  constructor(
    store: Store,
    users: UserChains,
    trust: TrustStore,
    own: OwnChain,
    chains: ConversationChains,
    creation: ConversationCreation,
    outbox: Outbox,
    now: () => number,
    random: () => number
  ) {
    this.#store = store
    this.#users = users
    this.#trust = trust
    this.#own = own
    this.#chains = chains
    this.#creation = creation
    this.#outbox = outbox
    this.#now = now
    this.#random = random
  }

  /** Send what has changed since the last time: decisions at once, ends of chains once an hour. */
  flush(): Promise<void> {
    this.#pending ??= this.#flush().finally(() => (this.#pending = null))
    return this.#pending
  }

  /** The person has taken a chain as the server shows it: the other devices hear where it ends at once. */
  async tellHeads(): Promise<void> {
    await this.#store.update((tx) => tx.set(HEADS_DUE, this.#now()))
    await this.flush()
  }

  /** Ask the user's other devices for session keys that this one was given wrongly. */
  async ask(content: LacksContent): Promise<void> {
    const { account } = await this.#own.requireActive()
    const { chain } = await this.#users.get(account.username)
    const chats = [...chain.devices.values()].filter(({ purpose }) => purpose === 'chat')
    if (chats.length > 1) await this.#tell(content)
  }

  async #sendAll(): Promise<void> {
    const known = await this.known()
    const [entries, heads] = [Object.entries(known.users), Object.entries(known.conversations)]
    const parts = Math.max(1, Math.ceil(Math.max(entries.length, heads.length) / MAX_ENTRIES))
    const id = crypto.randomUUID()
    for (let part = 1; part <= parts; part++) {
      const [from, to] = [(part - 1) * MAX_ENTRIES, part * MAX_ENTRIES]
      await this.#send(entries.slice(from, to), Object.fromEntries(heads.slice(from, to)), {
        id,
        part,
        parts
      })
    }
    await this.#store.update((tx) =>
      this.#trust.clearDue(
        tx,
        entries.map(([username]) => username)
      )
    )
  }

  /** All that this person has decided on this device, and where chains end. */
  async known(): Promise<Pick<TrustContent, 'users' | 'conversations'>> {
    const entries = await this.#entries(await this.#trust.own())
    return { users: Object.fromEntries(entries), conversations: await this.#heads() }
  }

  async #flush(): Promise<void> {
    const { account } = await this.#own.requireActive()
    const own = await this.#users.get(account.username)
    const active = [...own.chain.devices.values()].map(({ signingKey }) => signingKey)
    await this.#store.update((tx) => this.#trust.keepHeardFrom(tx, own))
    if (await this.#trust.isWaiting()) return
    // A new device has to know all; after a revocation the others have forgotten what came from the revoked one.
    const devices = active.sort().join()
    if (active.length > 1 && (await this.#store.get(SENT_TO)) !== devices) {
      await this.#sendAll()
      await this.#store.update((tx) => tx.set(SENT_TO, devices))
      return
    }
    const due = new Set(await this.#trust.dueNames())
    const isHeadsDue = await this.#isHeadsDue()
    if ((due.size === 0 && !isHeadsDue) || !(await this.#hasOthers())) return
    const decided = await this.#trust.own()
    const wanted = isHeadsDue ? decided : decided.filter(([username]) => due.has(username))
    const heads = isHeadsDue ? Object.entries(await this.#heads()) : []
    for (let at = 0; at < Math.max(wanted.length, heads.length); at += MAX_ENTRIES) {
      const part = wanted.slice(at, at + MAX_ENTRIES)
      await this.#send(await this.#entries(part), Object.fromEntries(heads.slice(at, at + MAX_ENTRIES)))
      await this.#store.update((tx) =>
        this.#trust.clearDue(
          tx,
          part.map(([username]) => username)
        )
      )
    }
  }

  /** The next time is set when this one is due, so that devices do not send at the same moment. */
  async #isHeadsDue(): Promise<boolean> {
    const next = this.#now() + HEADS_EVERY_MS * (1 + this.#random())
    return this.#store.update(async (tx) => {
      const due = await tx.get<number>(HEADS_DUE)
      if (due !== undefined && due > this.#now()) return false
      tx.set(HEADS_DUE, next)
      return due !== undefined
    })
  }

  async #hasOthers(): Promise<boolean> {
    const { account } = await this.#own.requireActive()
    return (await this.#users.get(account.username)).chain.devices.size > 1
  }

  async #entries(own: readonly [string, Trust][]): Promise<Entries> {
    const entries: Entries = []
    for (const [username, trust] of own) {
      const user = await this.#users.peek(username)
      if (user === undefined) continue
      const { sequence, head } = user.chain
      entries.push([username, { ...trust, sequence, head }])
    }
    return entries
  }

  async #heads(): Promise<{ [id: string]: ChainHead }> {
    const conversations = await this.#chains.list()
    return Object.fromEntries(conversations.map(({ id, sequence, head }) => [id, { sequence, head }]))
  }

  async #send(
    entries: Entries,
    conversations: TrustContent['conversations'],
    set?: TrustContent['set']
  ): Promise<void> {
    const users = Object.fromEntries(entries)
    const content: TrustContent = {
      type: 'trust',
      users,
      conversations,
      ...(set !== undefined && { set })
    }
    await this.#tell(content)
  }

  async #tell(content: Content): Promise<void> {
    const { id } = await this.#creation.self()
    await this.#outbox.send(id, content)
  }
}
