import { dropInvited } from '../identity/open-invitations.js'
import type { Store, StoreReader, StoreTransaction } from '../stores/store.js'

type Request = {
  /** The stranger who added the user, by the server's word. */
  by: string
  declined: boolean
  /** Position of the event that said so; 0 if a list did. */
  position: number
}

const BLOCKED = 'blocked'

/**
 * The requests that the user has not accepted, and the users who are blocked, as this device knows them. If a server
 * says too little, the user reads a stranger, and no more is lost.
 */
export class FirstContact {
  readonly #store: Store

  constructor(store: Store) {
    this.#store = store
  }

  /** The request that a conversation is; undefined if it is accepted. */
  request(conversationId: string): Promise<Request | undefined> {
    return this.#store.get<Request>(nameOf(conversationId))
  }

  noteRequest(tx: StoreTransaction, conversationId: string, request: Request): void {
    tx.set(nameOf(conversationId), request)
  }

  /** Take what a list of the server says. A conversation that was read here stays accepted. */
  async learn(
    conversationId: string,
    served: Omit<Request, 'position'> | null,
    isKnown: boolean
  ): Promise<void> {
    if (served === null) return this.accept(conversationId)
    const before = await this.request(conversationId)
    if (isKnown && before === undefined) return
    const { by, declined } = served
    if (before?.declined === declined) return
    const position = before?.position ?? 0
    await this.#store.update((tx) => this.noteRequest(tx, conversationId, { by, declined, position }))
  }

  async accept(conversationId: string): Promise<void> {
    if ((await this.request(conversationId)) === undefined) return
    await this.#store.update((tx) => this.acceptIn(tx, conversationId))
  }

  acceptIn(tx: StoreTransaction, conversationId: string): void {
    tx.delete(nameOf(conversationId))
  }

  async decline(conversationId: string): Promise<void> {
    await this.#store.update(async (tx) => {
      const request = await tx.get<Request>(nameOf(conversationId))
      if (request !== undefined) this.noteRequest(tx, conversationId, { ...request, declined: true })
    })
  }

  /** Whether the user sees nothing that this user says there. */
  async hides(conversationId: string, username: string, store: StoreReader = this.#store): Promise<boolean> {
    if ((await blockedIn(store)).includes(username)) return true
    return (await store.get<Request>(nameOf(conversationId))) !== undefined
  }

  async blocked(): Promise<ReadonlySet<string>> {
    return new Set(await blockedIn(this.#store))
  }

  /** Whether this device has ever heard whom the user has blocked. */
  async knowsBlocked(): Promise<boolean> {
    return (await this.#store.get(BLOCKED)) !== undefined
  }

  async setBlocked(usernames: readonly string[]): Promise<void> {
    await this.#store.update((tx) => {
      tx.set(BLOCKED, [...usernames])
      for (const username of usernames) dropInvited(tx, username)
    })
  }

  async noteBlocked(username: string, isBlocked: boolean): Promise<void> {
    await this.#store.update((tx) => this.noteBlockedIn(tx, username, isBlocked))
  }

  async noteBlockedIn(tx: StoreTransaction, username: string, isBlocked: boolean): Promise<void> {
    const before = await blockedIn(tx)
    if (before.includes(username) === isBlocked) return
    if (isBlocked) dropInvited(tx, username)
    tx.set(BLOCKED, isBlocked ? [...before, username] : before.filter((name) => name !== username))
  }
}

async function blockedIn(store: StoreReader): Promise<string[]> {
  return (await store.get<string[]>(BLOCKED)) ?? []
}

function nameOf(conversationId: string): string {
  return `request/${conversationId}`
}
