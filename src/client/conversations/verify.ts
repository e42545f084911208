import { extendConversationChain, type ConversationChain } from '../../protocol/conversation-chain.js'
import type { SignedStatement } from '../../protocol/schema.js'
import { parseStatement, type ConversationStatement } from '../../protocol/statements.js'
import { statementHash, verifyStatement } from '../../crypto/statements.js'
import { ChatError, toUntrusted, untrusted } from '../errors.js'
import { keyOwner } from '../identity/key-owner.js'
import type { UserChains } from '../identity/user-chains.js'
import { isActive } from '../identity/user-record.js'
import type { Api } from '../transport/api.js'
import type { Link } from './record.js'
import { isVouched } from './vouching.js'

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
  isSignerActive: boolean
}

type Members = ReadonlyMap<string, { root: string; role: string }>

/**
 * Verifies statements about a conversation's members (protocol, "A conversation's chain" and "Judging the
 * past").
 */
export class MembershipVerifier {
  readonly #api: Api
  readonly #users: UserChains

  constructor(api: Api, users: UserChains) {
    this.#api = api
    this.#users = users
  }

  /** Verify the statement that follows `chain`. @throws {ChatError} `untrusted` */
  async verify(
    id: string,
    chain: ConversationChain | null,
    signed: SignedStatement
  ): Promise<VerifiedStatement> {
    try {
      const statement = parseStatement(signed.text, KINDS)
      if (statement.conversation !== id)
        throw untrusted('moved-statement', 'The server shows a statement of another conversation.')
      const members = membersBefore(chain, statement)
      const signer = await keyOwner(this.#users, statement.by, members)
      if (signer === null)
        throw untrusted('ghost-member', 'A statement about members is not signed by a member.')
      const signingKey = await this.#users.signingKey(signer, statement.by)
      await verifyStatement(signed, new Map([[statement.by, signingKey]]))
      const { username } = signer
      const roots = await this.#rootsFor(chain, statement, username, members)
      const hash = await statementHash(signed.text)
      return {
        chain: extendConversationChain(chain, statement, hash, username, roots),
        link: { hash, actor: username, statement, renews: isRenewal(chain, statement) },
        isSignerActive: isActive(signer, statement.by)
      }
    } catch (error) {
      throw toUntrusted(error, 'A statement about members')
    }
  }

  /**
   * A statement by a device that is not active today is valid only if a device that is active today has made
   * a session key on it, or on a later one.
   */
  async requireVouched(id: string, verified: readonly VerifiedStatement[]): Promise<void> {
    const last = verified.findLastIndex(({ isSignerActive }) => !isSignerActive)
    if (last < 0) return
    const heads = new Map(verified.slice(last).map(({ link, chain }) => [link.hash, chain.members]))
    const vouched = await isVouched(this.#api, this.#users, id, heads).catch((error: unknown) => {
      throw toUntrusted(error, 'A session key')
    })
    if (!vouched)
      throw new ChatError(
        'untrusted',
        'unvouched-statement',
        'A change of the members is by a device that is gone, and nobody vouches for it yet.',
        { hint: 'It becomes valid when another member, who has seen it in time, writes again.' }
      )
  }

  /**
   * Identity roots used to verify a statement. A chain does not say when a root was replaced. We assume that
   * the signer's root and an added member's root were current then, and use today's roots for all others.
   */
  async #rootsFor(
    chain: ConversationChain | null,
    statement: ConversationStatement,
    signer: string,
    members: Members
  ): Promise<Map<string, string>> {
    const roots = new Map([...members].map(([username, { root }]) => [username, root]))
    const needsRoots = chain?.kind === 'group' && statement.kind !== 'conversation-leave'
    if (needsRoots && members.get(signer)?.role !== 'admin')
      for (const username of members.keys())
        if (username !== signer) roots.set(username, (await this.#users.sync(username)).user.root)
    if (statement.kind === 'conversation-add') roots.set(statement.member.username, statement.member.root)
    return roots
  }
}

function isRenewal(chain: ConversationChain | null, statement: ConversationStatement): boolean {
  return statement.kind === 'conversation-add' && chain?.members.has(statement.member.username) === true
}

function membersBefore(chain: ConversationChain | null, statement: ConversationStatement): Members {
  if (chain !== null) return chain.members
  if (statement.kind !== 'conversation-create') return new Map()
  return new Map(statement.members.map(({ username, role, root }) => [username, { role, root }]))
}
