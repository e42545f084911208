import type { Role } from '../../protocol/statements.js'
import type { VerifiedConversation } from '../conversations/record.js'
import type { TrustedMembers } from '../conversations/trusted-members.js'
import { ChatError } from '../errors.js'
import type { UserChains } from '../identity/user-chains.js'
import type { ChainRequests } from '../session-keys/requests.js'

/** Changes of a conversation's members and timer. */
export class Membership {
  readonly #users: UserChains
  readonly #trusted: TrustedMembers
  readonly #requests: ChainRequests

  constructor(users: UserChains, trusted: TrustedMembers, requests: ChainRequests) {
    this.#users = users
    this.#trusted = trusted
    this.#requests = requests
  }

  /** Add a user under the current root, which has to be a trusted one. */
  async add(id: string, usernames: readonly string[], role: Role): Promise<VerifiedConversation> {
    return this.#requests.change(id, async ({ chain }) => {
      const added = [...new Set(usernames)].filter((username) => !chain.members.has(username))
      const roots = await Promise.all(added.map((username) => this.#trustedRoot(username)))
      if (added.length === 0) return null
      return added.map((username, at) => ({
        kind: 'conversation-add',
        member: { username, role, root: roots[at]! }
      }))
    })
  }

  /** Renew a member who has reset, and whose new root was accepted. */
  async renew(id: string, username: string): Promise<VerifiedConversation> {
    return this.#requests.change(id, async (now) => {
      const root = await this.#trustedRoot(username)
      const { role, root: known } = requireMember(now, username)
      return known === root ? null : [{ kind: 'conversation-renew', member: { username, role, root } }]
    })
  }

  remove(id: string, usernames: readonly string[]): Promise<VerifiedConversation> {
    return this.#requests.change(id, ({ chain }) => {
      const members = [...new Set(usernames)].filter((username) => chain.members.has(username))
      return members.length === 0
        ? null
        : members.map((username) => ({ kind: 'conversation-remove', username }) as const)
    })
  }

  setRole(id: string, username: string, role: Role): Promise<VerifiedConversation> {
    return this.#requests.change(id, (now) => {
      const { role: known, root } = requireMember(now, username)
      return known === role ? null : [{ kind: 'conversation-role', member: { username, role, root } }]
    })
  }

  /** @param messageTtl seconds; 0 keeps messages */
  setTimer(id: string, messageTtl: number): Promise<VerifiedConversation> {
    return this.#requests.change(id, ({ chain }) =>
      chain.messageTtl === messageTtl ? null : [{ kind: 'conversation-timer', messageTtl }]
    )
  }

  leave(id: string): Promise<void> {
    return this.#requests.leave(id)
  }

  /** Looks at the user's chain: each attempt needs today's keys, since the roster shows those of members only. */
  async #trustedRoot(username: string): Promise<string> {
    await this.#users.sync([username])
    const user = await this.#users.get(username)
    await this.#trusted.requireCurrent(user)
    return user.chain.root
  }
}

function requireMember({ chain }: VerifiedConversation, username: string): { role: Role; root: string } {
  const member = chain.members.get(username)
  if (member === undefined) throw new ChatError('usage', 'not-a-member', `${username} is not a member.`)
  return member
}
