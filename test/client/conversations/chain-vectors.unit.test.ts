import t, { type Test } from 'tap'
import { importSigningKey } from '../../../src/crypto/keys.js'
import { KnownUsers } from '../../../src/client/conversations/chain-users.js'
import { applyRequest, readRequests, requireRoster } from '../../../src/client/conversations/verify.js'
import { verifyUserChain } from '../../../src/client/identity/verify-user-chain.js'
import { ConversationHistory } from '../../../src/protocol/conversation-history.js'
import type { SignedStatement } from '../../../src/protocol/schema.js'
import type { Role } from '../../../src/protocol/statements.js'
import type { UserHistory } from '../../../src/protocol/user-history.js'
import { refusal } from '../../support/refusal.js'
import { vectors } from '../../support/vectors.js'

interface Outcome {
  sequence: number
  head: string
  members: { username: string; role: Role; root: string; state: number }[]
  messageTtl: number
  key: { hash: string; by: string; username: string; roster: Record<string, string[]> }
}

interface Step {
  items: SignedStatement[]
  then?: Outcome
  refused?: string
}

interface Case {
  group: string
  title: string
  attack?: string
  steps: Step[]
}

const { conversation, signingKeys, users, cases } = vectors<{
  conversation: string
  signingKeys: Record<string, string>
  users: Record<string, SignedStatement[]>
  cases: Case[]
}>('conversation-chains')

/** The chain of each user after each of its statements. */
const histories = new Map<string, UserHistory[]>()
for (const [username, statements] of Object.entries(users)) {
  const after: UserHistory[] = []
  for (const signed of statements) {
    const { history } = await verifyUserChain(
      username,
      after.at(-1) ?? null,
      [signed],
      new Map(Object.entries(signingKeys))
    )
    after.push(history!)
  }
  histories.set(username, after)
}

/** A client that knows users' chains to their end, or as far as `ends` says. */
function knownUsers(ends?: ReadonlyMap<string, number>): KnownUsers {
  const known = new KnownUsers()
  for (const [username, after] of histories) {
    const history = ends ? after.slice(0, ends.get(username) ?? 0).at(-1) : after.at(-1)
    if (history) known.add(history)
  }
  return known
}

const whole = knownUsers()

/** Takes statements as a client does that is shown them, and looks at the roster of a key. */
async function take(history: ConversationHistory, items: readonly SignedStatement[], known: KnownUsers) {
  for (const served of await readRequests(items)) {
    await applyRequest(history, served, known, (print) => importSigningKey(signingKeys[print]!))
    if ('key' in served.request) await requireRoster(history, history.chain!.key, known)
  }
}

/** The chain of a case after some of its steps: those that are good. */
async function played(steps: readonly Step[]): Promise<ConversationHistory> {
  const history = new ConversationHistory(conversation)
  for (const { items, then } of steps) if (then) await take(history, items, whole)
  return history
}

function outcome(history: ConversationHistory, known: KnownUsers): Outcome {
  const { sequence, head, members, messageTtl, key } = history.chain!
  const roster: Record<string, string[]> = {}
  for (const { username, id } of history.rosterOf(key, known))
    roster[username] = [...(roster[username] ?? []), id].sort()
  return {
    sequence,
    head,
    members: [...members].map(([username, { role, root, state }]) => ({
      username,
      role,
      root,
      state: state.sequence
    })),
    messageTtl,
    key: { hash: key.hash, by: key.by, username: key.username, roster }
  }
}

async function play(t: Test, { title, steps }: Case): Promise<void> {
  for (const [at, { items, then, refused }] of steps.entries()) {
    const history = await played(steps.slice(0, at))
    t.equal(await refusal(take(history, items, whole)), refused ?? 'accepted', `${title}, step ${at + 1}`)
    if (then) t.strictSame(outcome(history, whole), then, `${title}, after step ${at + 1}`)
  }
}

t.test(
  'A conversation’s chain says who is in and which devices have the key, and refuses the rest',
  async (t) => {
    t.ok(cases.length > 70)
    for (const one of cases) await t.test(`${one.group}: ${one.title}`, (t) => play(t, one))
  }
)

/** How far statements name users' chains, beyond what `ends` says already. */
async function named(ends: ReadonlyMap<string, number>, items: readonly SignedStatement[]) {
  const next = new Map(ends)
  for (const { request } of await readRequests(items))
    for (const { username, sequence } of 'key' in request ? request.key.statement.state : [])
      next.set(username, Math.max(sequence, next.get(username) ?? 0))
  return next
}

t.test('A client that knows users’ chains as far as the keys name them judges all keys alike', async (t) => {
  for (const { title, steps } of cases) {
    let ends: ReadonlyMap<string, number> = new Map()
    for (const [at, { items, then }] of steps.entries()) {
      // Statements that no request can be made of name nothing, and a leave names nobody's chain.
      if ((await refusal(readRequests(items))) !== 'accepted') continue
      const isLeave = (await readRequests(items)).some(({ request }) => 'leave' in request)
      const known = isLeave ? whole : knownUsers(await named(ends, items))
      const history = await played(steps.slice(0, at))
      const code = await refusal(take(history, items, known))
      t.equal(code === 'accepted', then !== undefined, `${title}, step ${at + 1}`)
      if (then) ends = await named(ends, items)
    }
  }
})

t.test('The roster of each key of the past is what it was', async (t) => {
  for (const { title, steps } of cases) {
    const history = await played(steps)
    for (const key of history.keys) {
      const where = `${title}, number ${key.sequence}`
      t.equal(await refusal(requireRoster(history, key, whole)), 'accepted', where)
      for (const { username, signingKey, id } of history.rosterOf(key, whole)) {
        const found = history.rosterDevices(key, signingKey, whole)
        t.equal(found.find((one) => one.username === username)?.device.id, id, where)
      }
    }
  }
})
