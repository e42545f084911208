import { isInvitationProof } from '../../crypto/invitations.js'
import { ChatError } from '../errors.js'
import type { Store, StoreTransaction } from '../stores/store.js'

/** An invitation that this device has made. */
export type OpenInvitation = {
  /** On the server. */
  id: string
  /** Null once it has proved all that it can. */
  secret: Uint8Array | null
  /** The root that the link names. */
  root: string
  groups: string[]
  maxUses: number
  /** That have come to this device. */
  uses: number
  /** Milliseconds since 1970, by the clock of this device. */
  expiresAt: number
}

/** First messages that newcomers have still to send, by the inviters' names. */
export const HELLO = 'hello/'
/** Groups to which newcomers have still to be added, by their names. */
export const INVITED = 'invited/'

/** Nothing that a link has brought about is done any more for this user. */
export function dropInvited(tx: StoreTransaction, username: string): void {
  tx.delete(`${HELLO}${username}`)
  tx.delete(`${INVITED}${username}`)
}

/** Most invitations that a device has open. */
const MAX_OPEN = 100
/** A newcomer's message may be read long after it was sent. */
const KEPT_MS = 30 * 24 * 3600 * 1000

/** The secrets of the links that this device has made, by the hashes of their tokens. */
export class OpenInvitations {
  readonly #store: Store
  readonly #now: () => number

  constructor(store: Store, now: () => number) {
    this.#store = store
    this.#now = now
  }

  /** @throws {ChatError} `too-many-invitations` (`usage`) */
  async requireCapacity(): Promise<void> {
    const open = (await this.list()).filter(
      ({ secret, expiresAt }) => secret !== null && expiresAt > this.#now()
    )
    if (open.length < MAX_OPEN) return
    throw new ChatError('usage', 'too-many-invitations', `This device has ${MAX_OPEN} open invitations.`, {
      hint: 'Revoke one, or wait until one has expired.'
    })
  }

  /** Keep a new one, and drop those that have expired long ago. */
  async keep(tokenHash: string, invitation: OpenInvitation): Promise<void> {
    await this.#store.update(async (tx) => {
      for (const [name, { expiresAt }] of await tx.list<OpenInvitation>('invitation/'))
        if (expiresAt + KEPT_MS < this.#now()) tx.delete(name)
      tx.set(nameOf(tokenHash), invitation)
    })
  }

  async list(): Promise<OpenInvitation[]> {
    return (await this.#store.list<OpenInvitation>('invitation/')).map(([, invitation]) => invitation)
  }

  async forget(id: string): Promise<void> {
    await this.#store.update(async (tx) => {
      for (const [name, invitation] of await tx.list<OpenInvitation>('invitation/'))
        if (invitation.id === id) tx.delete(name)
    })
  }

  /**
   * The invitation that a newcomer's proof fits.
   *
   * @param sentAt milliseconds since 1970
   * @returns undefined if this device has not made it: another one of the user may have; `forged` if the proof is not
   *   of its secret, or it has expired or brought somebody before
   */
  async check(
    tokenHash: string,
    proof: Uint8Array,
    newcomerRoot: string,
    sentAt: number
  ): Promise<OpenInvitation | 'forged' | undefined> {
    const found = await this.#store.get<OpenInvitation>(nameOf(tokenHash))
    if (found === undefined) return undefined
    const { secret, root: inviterRoot, expiresAt } = found
    if (secret === null || sentAt > expiresAt) return 'forged'
    return (await isInvitationProof(proof, secret, { inviterRoot, newcomerRoot })) ? found : 'forged'
  }

  /** Count a use. The last one destroys the secret. @returns false if there is none left */
  async use(tx: StoreTransaction, tokenHash: string): Promise<boolean> {
    const found = await tx.get<OpenInvitation>(nameOf(tokenHash))
    if (found === undefined || found.secret === null) return false
    const uses = found.uses + 1
    tx.set(nameOf(tokenHash), { ...found, uses, secret: uses < found.maxUses ? found.secret : null })
    return true
  }
}

function nameOf(tokenHash: string): string {
  return `invitation/${tokenHash}`
}
