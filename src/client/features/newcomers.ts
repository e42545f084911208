import { decodeBase64, encodeBase64 } from '../../crypto/encoding.js'
import { sha256Hex } from '../../crypto/hash.js'
import { invitationProof } from '../../crypto/invitations.js'
import { ChatError, isDecidedRefusal, isOvertaken, untrusted } from '../errors.js'
import type { Alarms } from '../identity/alarms.js'
import { HELLO, INVITED } from '../identity/open-invitations.js'
import type { UserChains } from '../identity/user-chains.js'
import { inTurn } from '../transport/in-turn.js'
import type { Outbox } from '../outbox/outbox.js'
import type { Store, StoreTransaction } from '../stores/store.js'
import type { ConversationCreation } from './conversation-creation.js'
import type { Conversations } from './conversations.js'

/** What a newcomer has to say to their inviter. */
export type Hello = {
  /** Id of the message. */
  id: string
  /** The root that the link names. */
  root: string
  invitation: string
  proof: string
}

/** What a newcomer says to the maker of a link (protocol, "Invitation"). @param newcomerRoot their own root */
export async function helloOf(
  token: string,
  { root, secret }: { root: string; secret: string },
  newcomerRoot: string
): Promise<{ invitation: string; proof: string }> {
  const bytes = decodeBase64(`${secret.replaceAll('-', '+').replaceAll('_', '/')}==`)
  const proof = await invitationProof(bytes, { inviterRoot: root, newcomerRoot })
  return { invitation: await sha256Hex(token), proof: encodeBase64(proof) }
}

/** To be called in the transaction that makes the account. */
export function planHello(tx: StoreTransaction, inviter: string, hello: Hello): void {
  tx.set(`${HELLO}${inviter}`, hello)
}

/** After so long a failure is tried again while the stream of events stays up. */
const RETRY_MS = 60_000

/** Does what an invitation asks for, until it is done: the newcomer's first message, and the groups of the link. */
export class Newcomers {
  readonly #store: Store
  readonly #users: UserChains
  readonly #alarms: Alarms
  readonly #creation: ConversationCreation
  readonly #outbox: Outbox
  readonly #conversations: Conversations
  readonly #now: () => number
  /** Milliseconds since 1970; in this process only, since each new connection tries as well. */
  #retryAt = Infinity

  constructor(
    store: Store,
    users: UserChains,
    alarms: Alarms,
    creation: ConversationCreation,
    outbox: Outbox,
    conversations: Conversations,
    now: () => number
  ) {
    this.#store = store
    this.#users = users
    this.#alarms = alarms
    this.#creation = creation
    this.#outbox = outbox
    this.#conversations = conversations
    this.#now = now
  }

  async resume(): Promise<void> {
    this.#retryAt = Infinity
    try {
      await this.#resume()
    } catch (error) {
      this.#retryAt = this.#now() + RETRY_MS
      throw error
    }
  }

  /** The same after a failure, while the stream stays up. Call it whenever the stream brings something. */
  async resumeIfDue(): Promise<void> {
    if (this.#now() >= this.#retryAt) await this.resume()
  }

  async #resume(): Promise<void> {
    const names = async (prefix: string) => (await this.#store.list(prefix)).map(([name]) => name)
    const hellos = (await names(HELLO)).map((name) => () => this.#greetOnce(name))
    const invited = (await names(INVITED)).map((name) => () => this.#add(name))
    await inTurn([...hellos, ...invited])
  }

  async #greet(inviter: string, { id, root, ...proof }: Hello): Promise<void> {
    await this.#users.sync([inviter])
    if ((await this.#users.get(inviter)).chain.root !== root) {
      const error = forgedInvitation(inviter)
      await this.#alarms.raiseOnce({ ...error, message: error.message, about: { username: inviter } })
      throw error
    }
    const conversation = await this.#creation.direct(inviter)
    await this.#outbox.send(conversation.id, { type: 'hello', ...proof }, id)
  }

  /** Each group by itself: one that can't be done keeps back no other one. */
  async #add(name: string): Promise<void> {
    const groups = (await this.#store.get<string[]>(name)) ?? []
    await inTurn(groups.map((id) => () => this.#addTo(name, id)))
  }

  async #addTo(name: string, group: string): Promise<void> {
    // A block has dropped it meanwhile.
    if ((await this.#store.get<string[]>(name))?.includes(group) !== true) return
    const done = () =>
      this.#store.update(async (tx) => {
        const left = ((await tx.get<string[]>(name)) ?? []).filter((id) => id !== group)
        if (left.length === 0) tx.delete(name)
        else tx.set(name, left)
      })
    await orGivenUp(() => this.#conversations.add(group, name.slice(INVITED.length)), done)
  }

  async #greetOnce(name: string): Promise<void> {
    const hello = await this.#store.get<Hello>(name)
    // A block has dropped it meanwhile.
    if (hello === undefined) return
    const done = () => this.#store.update((tx) => tx.delete(name))
    await orGivenUp(() => this.#greet(name.slice(HELLO.length), hello), done)
  }
}

/** Do it, and forget it. Work that can't succeed later is given up: its error is thrown once. */
async function orGivenUp(work: () => Promise<unknown>, done: () => Promise<void>): Promise<void> {
  try {
    await work()
  } catch (error) {
    if (isHopeless(error)) await done()
    throw error
  }
  await done()
}

function isHopeless(error: unknown): boolean {
  if (isOvertaken(error)) return false
  if (isDecidedRefusal(error)) return true
  return error instanceof ChatError && (error.kind === 'usage' || error.code === 'forged-invitation')
}

export function forgedInvitation(inviter: string): ChatError {
  return untrusted(
    'forged-invitation',
    `The server shows another identity of ${inviter} than the link. Nothing was sent to ${inviter}.`
  )
}
