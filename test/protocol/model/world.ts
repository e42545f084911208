import { deepEqual, equal } from 'node:assert/strict'
import { conversationRoster, type ChainRequest } from '../../../src/protocol/conversation-chain.js'
import { ConversationHistory } from '../../../src/protocol/conversation-history.js'
import { rosterText } from '../../../src/protocol/roster.js'
import type { ConversationKind } from '../../../src/protocol/statements.js'
import { KnownUsers } from '../../../src/client/conversations/chain-users.js'
import type { Choices } from './choices.js'
import { conversation, type ModelMember, type Place, type States } from './conversation.js'
import { sha256 } from './keys.js'
import { ModelUser, type ModelDevice } from './user.js'

export const NAMES = ['alice', 'bob', 'carol', 'dave']
/** For so long a `device-add` puts no key out of date. */
const GRACE_MINUTES = 5
const MOST_DEVICES = 4

/** Users whose devices come and go, and one conversation: the product's chain beside the model's account of it. */
export class World {
  readonly users = new Map(NAMES.map((name) => [name, new ModelUser(name)]))
  readonly history = new ConversationHistory(conversation)
  readonly requests: ChainRequest[] = []
  readonly kind: ConversationKind
  members: ReadonlyMap<string, ModelMember> = new Map()
  /** The highest sequence of each user's chain that a key has named. */
  readonly floors = new Map<string, number>()
  /** Signing keys of devices that a key knows as retired. */
  readonly retired = new Set<string>()
  minute = 0

  constructor(kind: ConversationKind) {
    this.kind = kind
  }

  /** Where the chain has got to. */
  get place(): Place {
    return this.history.chain ?? { sequence: 0, head: '-' }
  }

  user(username: string): ModelUser {
    return this.users.get(username)!
  }

  /** All that the users' chains say now, or as far as `ends` says. */
  known(ends?: States): KnownUsers {
    const known = new KnownUsers()
    for (const [username, { histories }] of this.users) {
      const history = ends ? histories[(ends.get(username) ?? 0) - 1] : histories.at(-1)
      if (history) known.add(history)
    }
    return known
  }

  /** Something happens to a user's devices, or time passes. */
  live(choices: Choices): void {
    const user = choices.one([...this.users.values()])
    const { devices } = user.newest
    this.minute += choices.below(4)
    const action = choices.below(10)
    if (action === 0) user.reset(this.minute)
    else if (devices.length === 0) return
    else if (action === 1) user.revoke(choices.one(devices), choices.one(devices), this.minute)
    else if (action === 2) user.rekey(choices.one(devices), this.minute)
    else if (devices.length < MOST_DEVICES) user.add(choices.rarely(5) ? 'recovery' : 'chat', this.minute)
  }

  /** The states that an honest server takes: the newest, but for devices that were added minutes ago. */
  honestStates(maker: ModelDevice, choices: Choices): States {
    const states = new Map<string, number>()
    for (const [username, { states: all }] of this.users) {
      let sequence = all.length
      const floor = Math.max(1, this.floors.get(username) ?? 0)
      while (sequence > floor && this.#isFresh(username, sequence) && choices.rarely(2)) sequence--
      states.set(username, sequence)
    }
    const own = this.user(maker.username).states
    if (!own[states.get(maker.username)! - 1]!.devices.some(({ id }) => id === maker.id))
      states.set(maker.username, own.length)
    return states
  }

  #isFresh(username: string, sequence: number): boolean {
    const { isAdd, minute } = this.user(username).states[sequence - 1]!
    return isAdd && this.minute - minute < GRACE_MINUTES
  }

  /** The product judges a request as a client does that knows all. Throws where it is refused. */
  take(request: ChainRequest): void {
    takeRequest(this.history, request, this.known())
    this.requests.push(request)
  }

  /** Whether a client takes it that knows users' chains only as far as the keys name them. A leave names nothing. */
  isTakenByLeast(request: ChainRequest): boolean {
    const ends = new Map(this.floors)
    if ('key' in request)
      for (const { username, sequence } of request.key.statement.state)
        ends.set(username, Math.max(sequence, ends.get(username) ?? 0))
    try {
      this.history.next(request, 'key' in request ? this.known(ends) : this.known())
      return true
    } catch {
      return false
    }
  }

  /** The model's own account of a request that was taken. */
  account(members: ReadonlyMap<string, ModelMember>, states: States | null): void {
    const stated = new Map(members)
    for (const [username, member] of states === null ? [] : members) {
      const state = states!.get(username)!
      stated.set(username, { ...member, state })
      this.floors.set(username, state)
      const user = this.user(username)
      const past = new Set(
        user.states.slice(0, state).flatMap(({ devices }) => devices.map((one) => one.signingKey))
      )
      for (const { signingKey } of user.states[state - 1]!.devices) past.delete(signingKey)
      for (const signingKey of past) this.retired.add(signingKey)
    }
    this.members = stated
  }

  /** The product's account is the model's. */
  requireAgreement(): void {
    const { chain } = this.history
    if (chain === null) return
    const members = [...chain.members].map(([name, { role, root, state }]) => [
      name,
      role,
      root,
      state.sequence
    ])
    const expected = [...this.members].map(([name, { role, root, state }]) => [name, role, root, state])
    deepEqual(members, expected)
  }

  /**
   * A client that comes late, and one that knows users' chains as far as the keys name them, judge all links in
   * the same way.
   */
  requireSameForAll(): void {
    const { chain } = this.history
    const late = new ConversationHistory(conversation)
    const least = new ConversationHistory(conversation)
    const ends = new Map<string, number>()
    for (const request of this.requests) {
      takeRequest(late, request, this.known())
      if ('key' in request)
        for (const { username, sequence } of request.key.statement.state) ends.set(username, sequence)
      takeRequest(least, request, 'key' in request ? this.known(ends) : this.known())
    }
    deepEqual(late.chain, chain)
    deepEqual(least.chain, chain)
    for (const key of late.keys) equal(sha256(rosterText(late.rosterOf(key, this.known()))), key.roster)
  }
}

function takeRequest(history: ConversationHistory, request: ChainRequest, users: KnownUsers): void {
  const after = history.next(request, users)
  if ('key' in request) equal(sha256(rosterText(conversationRoster(after.members, users))), after.key.roster)
  history.append(request, after)
}
