import { Account } from './account.js'
import { parseStatement, value, values, type Link, type Parsed, type Statement } from './chains.js'
import {
  newestKey,
  noConversation,
  replayConversation,
  type ConversationChain
} from './conversation-chain.js'
import { Departures } from './departures.js'
import { expect, type Page, type RosterAnswer } from './http.js'
import { check, given } from './refused.js'
import { stateAt, type Covered, type Member, type Told } from './roster.js'
import type { UserState } from './user-chain.js'

interface Shown {
  readonly head: string
  readonly lastPosition: number
}

/** Conversations' chains and rosters, as far as this client has verified them. */
export class ConversationReader extends Account {
  readonly chains = new Map<string, ConversationChain>()
  protected readonly departures = new Departures()

  /** The conversation's chain, verified from its beginning, and who has gone since the last look. */
  async chain(id: string): Promise<ConversationChain> {
    for (;;) {
      const before = this.chains.get(id) ?? noConversation(id)
      const path = `/v1/conversations/${id}/chain?after=${before.sequence}&limit=200`
      const { body } = expect(await this.raw<Page<Statement> & { head: string }>('GET', path), 200)
      const parsed = body.items.map(({ text }) => parseStatement(text))
      for (const link of parsed) this.departures.requireLink(id, value(link, 'by'))
      await this.sync(this.#unknownUsers(before, parsed))
      if ((this.chains.get(id) ?? before) !== before) continue
      const chain = replayConversation(id, body.items, this.knownKeys, this.users, before)
      this.chains.set(id, chain)
      if (body.next !== null) continue
      check(chain.head === body.head, `the chain of ${id} was cut or forked`)
      if (await this.#noteGoings(chain)) return chain
    }
  }

  /** Whether the boundary of those who have gone is known: where this client saw the chain end. */
  async #noteGoings(chain: ConversationChain): Promise<boolean> {
    const goings = this.departures.news(chain, this.users)
    if (this.departures.isFirst(chain.id)) this.departures.note(chain.id, goings, null)
    else if (goings.length > 0) {
      const { conversation } = expect(
        await this.raw<{ conversation: Shown }>('GET', `/v1/conversations/${chain.id}`),
        200
      ).body
      if (conversation.head !== chain.head) return false
      this.departures.note(chain.id, goings, conversation.lastPosition)
    }
    return true
  }

  /** The chain, fetched if it is not known, or if somebody has gone since. */
  protected async settled(id: string): Promise<ConversationChain> {
    const chain = this.chains.get(id)
    const isSettled = chain !== undefined && this.departures.news(chain, this.users).length === 0
    return isSettled ? chain : this.chain(id)
  }

  /** Users whose chains are named further than they are known. A leave names nothing: then all members. */
  #unknownUsers(before: ConversationChain, links: readonly Parsed[]): Set<string> {
    const names = new Set<string>()
    const members = new Set(before.members.keys())
    for (const parsed of links) {
      for (const [name = ''] of values(parsed, 'member')) members.add(name)
      for (const [name = '', sequence] of values(parsed, 'state'))
        if ((this.users.get(name)?.sequence ?? 0) < Number(sequence)) names.add(name)
      if (parsed.kind === 'conversation-leave') for (const name of members) names.add(name)
    }
    return names
  }

  /** What a key made now must say, derived from the chains; the server's snapshot has to say the same. */
  async roster(id: string): Promise<Told & { readonly chain: ConversationChain }> {
    for (let tries = 0; ; tries++) {
      const shown = await this.#shownRoster(id)
      const states = new Map(shown.members.map(({ username, chain }) => [username, chain]))
      const moved = [...states].filter(([name, { sequence }]) => !this.users.get(name)?.states.has(sequence))
      await this.sync(moved.map(([name]) => name))
      const chain = await this.chain(id)
      if (chain.head !== shown.head && tries < 5) continue
      check(chain.head === shown.head, `the roster of ${id} is that of another head`)
      const list = (members: Iterable<readonly [string, Member]>): string =>
        [...members].map(([name, { role, root }]) => `${name} ${role} ${root}`).join()
      const members = shown.members.map((member) => [member.username, member] as const)
      check(list(members.sort()) === list([...chain.members].sort()), 'other members than those of the chain')
      const told = this.told(chain, chain.members, chain.states, this.statesAt(states))
      const ids = shown.members.flatMap(({ devices }) => devices.map((device) => device.id)).sort()
      check(
        ids.join() ===
          told.covered
            .map(({ deviceId }) => deviceId)
            .sort()
            .join(),
        'another roster'
      )
      return { ...told, chain }
    }
  }

  protected statesAt(links: ReadonlyMap<string, Link>): Map<string, UserState> {
    return new Map([...links].map(([name, link]) => [name, stateAt(this.users, name, link)]))
  }

  async #shownRoster(id: string): Promise<RosterAnswer> {
    const members: RosterAnswer['members'][number][] = []
    for (let query = ''; ;) {
      const path = `/v1/conversations/${id}/roster${query}`
      const { body } = expect(await this.raw<RosterAnswer>('GET', path), 200)
      for (const member of body.members) for (const device of member.devices) this.learn(device)
      members.push(...body.members)
      if (body.next === null) return { ...body, members }
      query = `?cursor=${encodeURIComponent(body.next)}`
    }
  }

  /** @param before states of the key before, of those who were members ever since */
  protected told(
    { sequence, head }: Link,
    members: ReadonlyMap<string, Member>,
    before: ReadonlyMap<string, Link>,
    states: ReadonlyMap<string, UserState>
  ): Told {
    const covered: Covered[] = []
    const state: (Link & { username: string })[] = []
    for (const [username, { root }] of [...members].sort()) {
      const now = given(states.get(username), `no state of ${username}`)
      if (before.get(username)?.head !== now.head)
        state.push({ username, sequence: now.sequence, head: now.head })
      for (const device of now.root === root ? now.active.values() : []) {
        const encryptionKey = given(this.knownKeys.get(device.encryptionFp), `no key of ${device.id}`)
        const kemKey =
          device.kemFp === '-' ? undefined : given(this.knownKeys.get(device.kemFp), 'no KEM key')
        covered.push({ username, deviceId: device.id, signingKey: device.signingFp, encryptionKey, kemKey })
      }
    }
    return { sequence, head, covered, state }
  }

  /** Whether members, or the chains of members, have moved since the newest key, as far as this client knows. */
  protected isOutOfDate(chain: ConversationChain): boolean {
    const moved = [...chain.states].some(([name, { head }]) => this.users.get(name)?.head !== head)
    return moved || newestKey(chain).hash !== chain.head
  }
}
