import { extendConversationChain, type ConversationChain } from '../../protocol/conversation-chain.js'
import type { SignedStatement } from '../../protocol/schema.js'
import { parseStatement, type ConversationStatement } from '../../protocol/statements.js'
import { statementHash, verifyStatement } from '../../crypto/statements.js'
import type { Core } from '../core.js'
import { ChatError, brokenRule, untrusted } from '../errors.js'
import { isActive, type StoredUser } from '../identity/user-record.js'
import type { Link } from './record.js'

const KINDS = [
  'conversation-create',
  'conversation-add',
  'conversation-role',
  'conversation-remove',
  'conversation-leave'
] as const

export interface VerifiedStatement {
  chain: ConversationChain
  link: Link
  /** Whether the device that signed is active today. */
  living: boolean
}

/** Who may say what in a conversation's chain (protocol, "A conversation's chain" and "Judging the past"). */
export class MembershipVerifier {
  readonly #core: Core

  constructor(core: Core) {
    this.#core = core
  }

  /** The chain with one statement more. @throws {ChatError} `untrusted` */
  async extension(
    id: string,
    chain: ConversationChain | null,
    signed: SignedStatement
  ): Promise<VerifiedStatement> {
    try {
      const statement = parseStatement(signed.text, KINDS)
      if (statement.conversation !== id)
        throw untrusted('moved-statement', 'The server shows a statement of another conversation.')
      const lines = membersBefore(chain, statement)
      const actor = await this.owner(statement.by, lines)
      if (actor === null)
        throw untrusted('ghost-member', 'A statement about members is signed by nobody who belongs.')
      await verifyStatement(
        signed,
        new Map([[statement.by, await this.#core.users.signingKey(actor, statement.by)]])
      )
      const roots = await this.#rootsFor(chain, statement, actor.username, lines)
      const hash = await statementHash(signed.text)
      return {
        chain: extendConversationChain(chain, statement, hash, actor.username, roots),
        link: { hash, actor: actor.username, statement, renews: renews(chain, statement) },
        living: isActive(actor, statement.by)
      }
    } catch (error) {
      throw brokenRule(error, 'A statement about members')
    }
  }

  /**
   * Whose device, present or past, has this signing key, under the root that the member's line names; null if it is
   * nobody's. Those who are known are asked first, and admins before the others.
   */
  async owner(
    by: string,
    lines: ReadonlyMap<string, { root: string; role?: string }>
  ): Promise<StoredUser | null> {
    const fits = (user: StoredUser | undefined): user is StoredUser =>
      user !== undefined &&
      user.bindings.some(
        ({ signingKey, root }) => signingKey === by && root === lines.get(user.username)?.root
      )
    for (const username of lines.keys()) {
      const user = await this.#core.users.peek(username)
      if (fits(user)) return user
    }
    const names = [...lines].sort(([, a], [, b]) => (a.role ?? '').localeCompare(b.role ?? ''))
    for (const [username] of names) {
      const { user } = await this.#core.users.sync(username)
      if (fits(user)) return user
    }
    return null
  }

  /**
   * Statements by devices that are gone today stand if a device that is active today has built a session key on them
   * or on what follows.
   */
  async requireVouched(id: string, judged: readonly VerifiedStatement[]): Promise<void> {
    const last = judged.findLastIndex(({ living }) => !living)
    if (last < 0) return
    const heads = new Map(judged.slice(last).map(({ link, chain }) => [link.hash, chain.members]))
    const isVouched = await this.#core.keys.isVouched(id, heads).catch((error: unknown) => {
      throw brokenRule(error, 'A session key')
    })
    if (!isVouched)
      throw new ChatError(
        'untrusted',
        'unvouched-statement',
        'A change of the members is by a device that is gone, and nobody vouches for it yet.',
        { hint: 'It stands when another member, who has seen it in time, writes again.' }
      )
  }

  /**
   * The roots by which a statement is judged. When a root became stale can't be known later, only that it did: so
   * whoever signed had a current one, a line that is added names a current one, and of the others it counts what is
   * true today.
   */
  async #rootsFor(
    chain: ConversationChain | null,
    statement: ConversationStatement,
    actor: string,
    lines: ReadonlyMap<string, { root: string; role: string }>
  ): Promise<Map<string, string>> {
    const roots = new Map([...lines].map(([username, { root }]) => [username, root]))
    const own = lines.get(actor)
    const rules = chain !== null && statement.kind !== 'conversation-leave'
    if (rules && chain.kind === 'group' && own?.role !== 'admin')
      for (const username of lines.keys())
        if (username !== actor) roots.set(username, (await this.#core.users.sync(username)).user.root)
    if (statement.kind === 'conversation-add') roots.set(statement.member.username, statement.member.root)
    return roots
  }
}

function renews(chain: ConversationChain | null, statement: ConversationStatement): boolean {
  return statement.kind === 'conversation-add' && chain?.members.has(statement.member.username) === true
}

function membersBefore(
  chain: ConversationChain | null,
  statement: ConversationStatement
): ReadonlyMap<string, { root: string; role: string }> {
  if (chain !== null) return chain.members
  if (statement.kind !== 'conversation-create') return new Map()
  return new Map(statement.members.map(({ username, role, root }) => [username, { role, root }]))
}
