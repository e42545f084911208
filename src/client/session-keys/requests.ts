import { RuleViolation } from '../../protocol/rule-violation.js'
import { statementText } from '../../protocol/statement-texts.js'
import type { MemberLine } from '../../protocol/statements.js'
import { signStatement, statementHash } from '../../crypto/statements.js'
import { KnownUsers } from '../conversations/chain-users.js'
import type { ConversationChains } from '../conversations/chains.js'
import type { VerifiedConversation } from '../conversations/record.js'
import { ChatError } from '../errors.js'
import type { OwnChain } from '../identity/own-chain.js'
import type { UserChains } from '../identity/user-chains.js'
import { Mutexes } from '../stores/mutexes.js'
import { sleep } from '../transport/abort.js'
import type { Api } from '../transport/api.js'
import { retryOnConflict } from '../transport/retry-on-conflict.js'
import type { SealingConditions } from './conditions.js'
import { conflict, isConflict } from './conflicts.js'
import { signRequest, type Change, type SignedRequest } from './create.js'
import { pendingLeave, toPending } from './pending.js'
import type { PendingPosts } from './pending-posts.js'
import { wrapCount, type Rosters } from './roster.js'
import { staleSide } from './stale-side.js'

const TRIES = 6
/** Before this number of wraps, a client that did not cause them waits, since others may make them meanwhile. */
const MANY_WRAPS = 200
const MAX_WAIT_MS = 2000

/** The changes to make in a conversation as it is now. Null: none, and no new session key either. */
export type Decide = (
  now: VerifiedConversation,
  users: KnownUsers
) => readonly Change[] | null | Promise<readonly Change[] | null>

/**
 * Extends conversations' chains with changes and session keys of this device. A request is stored before it
 * is sent, and only the verified chain tells whether it was taken.
 */
export class ChainRequests {
  readonly #api: Api
  readonly #users: UserChains
  readonly #own: OwnChain
  readonly #chains: ConversationChains
  readonly #conditions: SealingConditions
  readonly #rosters: Rosters
  readonly #posts: PendingPosts
  readonly #random: () => number
  readonly #mutexes = new Mutexes()

  constructor(
    api: Api,
    users: UserChains,
    own: OwnChain,
    chains: ConversationChains,
    conditions: SealingConditions,
    rosters: Rosters,
    posts: PendingPosts,
    random: () => number
  ) {
    this.#api = api
    this.#users = users
    this.#own = own
    this.#chains = chains
    this.#conditions = conditions
    this.#rosters = rosters
    this.#posts = posts
    this.#random = random
  }

  /**
   * Make changes, and the session key that follows them; with no changes only a key. The key of a direct
   * conversation renews the other side, whose new root the person has accepted. When others were faster, decide
   * again on what they did.
   *
   * @param options.isCaused whether this client has caused the need for a new key
   * @throws {ChatError} `identity-changed`, `refused`, `untrusted`, `unreachable`; `usage` for a change that
   *   the protocol does not allow
   */
  change(id: string, decide: Decide, { isCaused = true } = {}): Promise<VerifiedConversation> {
    return this.#retried(id, async () => {
      await this.#own.requireActive()
      await this.#posts.finish(id)
      let conversation = await this.#rosters.sync(id)
      await this.#conditions.requireChain(id)
      const users = await this.#chains.users(id)
      let changes = await decide(conversation, users)
      if (changes !== null && !isCaused && wrapCount(conversation, users) > MANY_WRAPS) {
        await sleep(this.#random() * MAX_WAIT_MS, this.#api.closed)
        conversation = await this.#rosters.sync(id)
        changes = await decide(conversation, users)
      }
      if (changes === null) return conversation
      await this.#addUsers(users, changes)
      const about = { removed: removedBy(changes), named: namedBy(changes) }
      await this.#conditions.require(conversation, users, about)
      // Each look above may have shown that this device is out.
      const { account, device } = await this.#own.requireActive()
      const signing = { username: account.username, signer: device.signing, users }
      const all = [...renewalBefore(changes, staleSide(conversation, users, account.username)), ...changes]
      const signed = await this.#sign(id, conversation, all, signing)
      await this.#conditions.require(conversation, users, about)
      await this.#requireUnmoved(id, conversation, signed)
      const { statements, key } = signed
      const isLone = statements.length === 0
      const path = `/v1/conversations/${id}/${isLone ? 'session-keys' : 'chain'}`
      return this.#posts.send(toPending(id, path, isLone ? { ...key } : { statements, key }, signed))
    })
  }

  /** Create a conversation with its first session key. @param members current roots, sorted by username */
  create(
    kind: 'direct' | 'group' | 'self',
    members: () => Promise<MemberLine[]>
  ): Promise<VerifiedConversation> {
    return retryOnConflict(isConflict, TRIES, async () => {
      const id = crypto.randomUUID()
      const users = new KnownUsers()
      const change = {
        kind: 'conversation-create',
        conversationKind: kind,
        members: await members()
      } as const
      await this.#addUsers(users, [change])
      await this.#conditions.requireUsers(namedBy([change]), users)
      const { account, device } = await this.#own.requireActive()
      const signing = { username: account.username, signer: device.signing, users }
      const signed = await this.#sign(id, null, [change], signing)
      await this.#conditions.requireUsers(namedBy([change]), users)
      await this.#requireUnmoved(id, null, signed)
      const { statements, key } = signed
      return this.#posts.send(toPending(id, '/v1/conversations', { id, statements, key }, signed))
    })
  }

  /** Leave a group. */
  leave(id: string): Promise<void> {
    return this.#retried(id, async () => {
      await this.#posts.finish(id)
      const { chain } = (await this.#chains.sync(id)).conversation
      const { account, device } = await this.#own.requireActive()
      if (!chain.members.has(account.username)) return
      const text = statementText({
        kind: 'conversation-leave',
        conversation: id,
        sequence: chain.sequence + 1,
        previous: chain.head,
        by: device.signing.fingerprint
      })
      const statement = await signStatement(text, device.signing)
      await this.#posts.send(pendingLeave(id, statement, await statementHash(text)))
    })
  }

  /** Send again what was interrupted. Refusals are settled: nothing waits for them. */
  resume(): Promise<void> {
    return this.#posts.resume()
  }

  /** One request at a time in each conversation, again when others were faster. */
  #retried<T>(id: string, work: () => Promise<T>): Promise<T> {
    const pause = (attempt: number): Promise<void> =>
      sleep(this.#random() * 100 * 2 ** attempt, this.#api.closed)
    return this.#mutexes.runExclusive(id, () => retryOnConflict(isConflict, TRIES, work, pause))
  }

  async #sign(
    id: string,
    conversation: VerifiedConversation | null,
    changes: readonly Change[],
    signing: Parameters<typeof signRequest>[3]
  ): Promise<SignedRequest> {
    try {
      return await signRequest(id, conversation?.chain ?? null, changes, signing, this.#users)
    } catch (error) {
      if (!(error instanceof RuleViolation)) throw error
      throw new ChatError('usage', error.code, error.message, { cause: error })
    }
  }

  /**
   * The server may have answered late since the chains were judged, and wrapping takes a while: no key leaves for
   * devices that have gone meanwhile.
   */
  async #requireUnmoved(
    id: string,
    before: VerifiedConversation | null,
    { members }: SignedRequest
  ): Promise<void> {
    await this.#users.refresh()
    if ((await this.#chains.peek(id))?.chain.head !== before?.chain.head) throw conflict()
    for (const [username, { state }] of members)
      if ((await this.#users.peek(username))?.chain.head !== state.head) throw conflict()
  }

  /** Those who come in are not among the users of the chain yet. */
  async #addUsers(users: KnownUsers, changes: readonly Change[]): Promise<void> {
    for (const username of namedBy(changes)) users.add(await this.#users.get(username))
  }
}

/** The renewal of the side that is stale, unless the changes have it. */
function renewalBefore(changes: readonly Change[], stale: MemberLine | undefined): Change[] {
  if (stale === undefined || changes.some(({ kind }) => kind === 'conversation-renew')) return []
  return [{ kind: 'conversation-renew', member: stale }]
}

/** The users whom changes name with a root. */
function namedBy(changes: readonly Change[]): string[] {
  return changes
    .flatMap((change) =>
      change.kind === 'conversation-create' ? change.members : 'member' in change ? [change.member] : []
    )
    .map(({ username }) => username)
}

/** The members whom changes remove; undefined if they do anything else, or nothing. */
function removedBy(changes: readonly Change[]): ReadonlySet<string> | undefined {
  const removed = changes.flatMap((change) =>
    change.kind === 'conversation-remove' ? [change.username] : []
  )
  return removed.length > 0 && removed.length === changes.length ? new Set(removed) : undefined
}
