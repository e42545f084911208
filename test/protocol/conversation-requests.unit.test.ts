import t from 'tap'
import { KnownUsers } from '../../src/client/conversations/chain-users.js'
import type { ChainUsers } from '../../src/protocol/conversation-chain.js'
import { ConversationHistory } from '../../src/protocol/conversation-history.js'
import { MAX_MEMBERS } from '../../src/protocol/statements.js'
import { applied, conversation, keyRequest, type Change, type ModelMember } from './model/conversation.js'
import { ModelUser } from './model/user.js'

const names = Array.from({ length: MAX_MEMBERS + 1 }, (_, at) => `user${10_000 + at}`)
const users = new Map(names.map((name) => [name, new ModelUser(name)]))
const states = new Map(names.map((name) => [name, 1]))
const admin = users.get(names[0]!)!.devices[0]!
const known = new KnownUsers()
for (const { histories } of users.values()) known.add(histories[0]!)

const lineOf = (username: string) => ({
  username,
  role: username === names[0] ? ('admin' as const) : ('member' as const),
  root: users.get(username)!.newest.root
})
const add = (username: string): Change => ({ kind: 'conversation-add', member: lineOf(username) })
const remove = (username: string): Change => ({ kind: 'conversation-remove', username })

/** A group of the first users, and the model's account of them. */
class Group {
  readonly history = new ConversationHistory(conversation)
  members: ReadonlyMap<string, ModelMember> = new Map()

  constructor(size: number) {
    const members = names.slice(0, size).map(lineOf)
    this.take([{ kind: 'conversation-create', conversationKind: 'group', members }])
  }

  request(changes: readonly Change[]) {
    const members = changes.reduce(applied, this.members)
    const place = this.history.chain ?? { sequence: 0, head: '-' }
    return { request: keyRequest(place, admin, changes, members, states, users), members }
  }

  take(changes: readonly Change[], chains: ChainUsers = known): void {
    const { request, members } = this.request(changes)
    this.history.append(request, this.history.next(request, chains))
    this.members = new Map([...members].map(([name, member]) => [name, { ...member, state: 1 }]))
  }
}

t.test('A conversation has up to 1,024 members when a request is over', (t) => {
  const group = new Group(MAX_MEMBERS)
  const [second, last] = [names[1]!, names.at(-1)!]
  t.throws(() => group.take([add(last)]), { code: 'too-many-members' })
  group.take([add(last), remove(second)])
  t.equal(group.history.chain!.members.size, MAX_MEMBERS)
  t.throws(() => group.take([add(second)]), { code: 'too-many-members' })
  group.take([remove(last), add(second)])
  t.end()
})

t.test('A request that was judged before another one came in between is not appended', (t) => {
  const { history, members } = new Group(2)
  const one = keyRequest(history.chain!, admin, [], members, states, users)
  const other = keyRequest(
    history.chain!,
    admin,
    [{ kind: 'conversation-timer', messageTtl: 5 }],
    members,
    states,
    users
  )
  const judged = history.next(other, known)
  history.append(one, history.next(one, known))
  t.throws(() => history.append(other, judged), { code: 'stale-chain' })
  t.equal(history.chain!.messageTtl, 0)
  t.end()
})

/** Counts how often a chain asks about users. */
class CountedUsers implements ChainUsers {
  count = 0

  owners(signingKey: string) {
    this.count++
    return known.owners(signingKey)
  }

  device(username: string, signingKey: string) {
    this.count++
    return known.device(username, signingKey)
  }

  at(...state: Parameters<ChainUsers['at']>) {
    this.count++
    return known.at(...state)
  }
}

t.test('A request asks about the users whom it names and who sign it, not about all members', (t) => {
  const group = new Group(MAX_MEMBERS - 100)
  const cost = (changes: readonly Change[]): number => {
    const counted = new CountedUsers()
    group.take(changes, counted)
    return counted.count
  }
  t.ok(cost([]) <= 4)
  const others = names.slice(-100)
  t.ok(cost(others.map(add)) <= 500)
  t.ok(cost(others.map(remove)) <= 500)
  t.end()
})
