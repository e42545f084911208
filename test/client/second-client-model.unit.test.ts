import { deepEqual, equal } from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import { ChatError } from '../../src/client/errors.js'
import type { ChainRequest } from '../../src/protocol/conversation-chain.js'
import { RuleViolation } from '../../src/protocol/rule-violation.js'
import { statementText } from '../../src/protocol/statement-texts.js'
import { noConversation, replayConversation } from '../support/interop/conversation-chain.js'
import { noUser, replayUser, type UserChain } from '../support/interop/user-chain.js'
import { answer } from '../support/interop/vector-cases.js'
import { anyRequest } from '../protocol/model/any-maker.js'
import { Choices, choices } from '../protocol/model/choices.js'
import { conversation } from '../protocol/model/conversation.js'
import { honestRequest, kinds } from '../protocol/model/honest-maker.js'
import { pemOf, signedBy } from '../protocol/model/keys.js'
import { World } from '../protocol/model/world.js'

const numRuns = process.env['FULL'] === '1' ? 1000 : 40
t.setTimeout(180_000)

/** The second client beside the world: it sees the same chains, and was written from docs/protocol.md only. */
class SecondClient {
  readonly #world: World
  readonly #known = new Map<string, string>()
  readonly #users = new Map<string, UserChain>()
  #chain = noConversation(conversation)
  #taken = 0

  constructor(world: World) {
    this.#world = world
  }

  /** Whether it takes a request that follows the chain. */
  takes(request: ChainRequest): boolean {
    this.#follow()
    return answer(() => this.#replay(request)) !== 'refused'
  }

  requireSame(): void {
    this.#follow()
    const { members, states, messageTtl, sequence, head } = this.#chain
    const { chain } = this.#world.history
    if (chain === null) return
    const line = ({ role, root }: { role: string; root: string }, state: number) =>
      [role, root, state] as const
    const own = [...members].map(([name, member]) => [name, ...line(member, states.get(name)!.sequence)])
    const others = [...chain.members].map(([name, member]) => [name, ...line(member, member.state.sequence)])
    deepEqual(own.sort(), others.sort())
    deepEqual(
      { messageTtl, sequence, head },
      { messageTtl: chain.messageTtl, sequence: chain.sequence, head: chain.head }
    )
  }

  #replay(request: ChainRequest) {
    const links = 'leave' in request ? [request.leave] : [...request.changes, request.key]
    const items = links.map(({ statement }) => signedBy(statementText(statement), statement.by))
    return replayConversation(conversation, items, this.#known, this.#users, this.#chain)
  }

  /** Reads what is new in the chains of the world. */
  #follow(): void {
    for (const [name, user] of this.#world.users) {
      const before = this.#users.get(name) ?? noUser(name)
      if (before.sequence === user.states.length) continue
      for (const { signingKey } of user.devices) this.#known.set(signingKey, pemOf(signingKey))
      this.#users.set(name, replayUser(name, user.signed(before.sequence), this.#known, before))
    }
    for (const request of this.#world.requests.slice(this.#taken)) this.#chain = this.#replay(request)
    this.#taken = this.#world.requests.length
  }
}

function attempt(world: World, second: SecondClient, from: Choices): void {
  const { request, members, states } = anyRequest(world, from)
  const isTaken = second.takes(request)
  try {
    world.take(request)
  } catch (error) {
    if (!(error instanceof RuleViolation || error instanceof ChatError)) throw error
    equal(isTaken, false, `the second client takes what is refused as ${error.code}`)
    return
  }
  equal(isTaken, true, 'the second client refuses what is taken')
  world.account(members, states)
}

t.test('Two clients, each written from the protocol, give one answer to all that anybody signs', (t) => {
  const property = fc.property(kinds, choices, (kind, numbers) => {
    const from = new Choices(numbers)
    const world = new World(kind)
    const second = new SecondClient(world)
    while (!from.done) {
      const action = from.below(6)
      if (action === 0) world.live(from)
      else if (action === 1) honestRequest(world, from)
      else attempt(world, second, from)
      second.requireSame()
    }
  })
  t.doesNotThrow(() => fc.assert(property, { numRuns }))
  t.end()
})
