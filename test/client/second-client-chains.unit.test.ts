import t from 'tap'
import { parseStatement, signersOf, statementHash, type Statement } from '../support/interop/chains.js'
import { noConversation, newestKey, replayConversation } from '../support/interop/conversation-chain.js'
import { check } from '../support/interop/refused.js'
import type { Users } from '../support/interop/roster.js'
import { noUser, replayUser, retiredAt, type UserChain } from '../support/interop/user-chain.js'
import { answer, judge, knownKeys, type Case } from '../support/interop/vector-cases.js'
import { vectors } from '../support/vectors.js'

// The second client was written from docs/protocol.md only. It gives the answers of the vectors.
t.test('Statements', async (t) => {
  const { signingKeys, cases } = vectors<{
    signingKeys: Record<string, string>
    cases: Case<Statement & { kind: string; maySign: string[]; hash: string }>[]
  }>('statements')
  const work = ({ text, signatures, kind, maySign }: (typeof cases)[number]) => {
    check(parseStatement(text).kind === kind, 'another kind')
    const signers = signersOf({ text, signatures }, knownKeys(signingKeys))
    check(
      signers.every((fp) => maySign.includes(fp)),
      'a signature of somebody else'
    )
    return statementHash({ text, signatures })
  }
  judge(t, cases, work, ({ hash }) => hash)
})

interface StateOf {
  sequence: number
  head: string
  root: string
  devices: {
    id: string
    purpose: string
    signingKey: string
    encryptionKey: string
    kemKey?: string
    encryptionVersion: number
  }[]
  retired: unknown[]
}

t.test('Chains of users', async (t) => {
  const { signingKeys, cases } = vectors<{
    signingKeys: Record<string, string>
    cases: Case<{ from?: StateOf; statements: Statement[]; then?: StateOf }>[]
  }>('user-chains')
  const shown = (chain: UserChain) => ({
    sequence: chain.sequence,
    head: chain.head,
    root: chain.root,
    devices: [...chain.active.values()]
      .map(({ id, purpose, signingFp, encryptionFp, kemFp, version }) => ({
        id,
        purpose,
        signingKey: signingFp,
        encryptionKey: encryptionFp,
        kemKey: kemFp,
        encryptionVersion: version
      }))
      .sort((a, b) => (a.id < b.id ? -1 : 1)),
    retired: retiredAt(chain, chain).length
  })
  const known = knownKeys(signingKeys)
  for (const { title, from, statements, then, refused } of cases) {
    const start = from === undefined ? noUser('alice') : chainAt(from)
    const good = refused === undefined ? statements : statements.slice(0, -1)
    const chain = replayUser('alice', good, known, start)
    if (then !== undefined) {
      const devices = then.devices
        .map((device) => ({ ...device, kemKey: device.kemKey ?? '-' }))
        .sort((a, b) => (a.id < b.id ? -1 : 1))
      t.strictSame(shown(chain), { ...then, devices, retired: then.retired.length }, title)
    } else
      t.equal(
        answer(() => replayUser('alice', statements.slice(-1), known, chain)),
        'refused',
        title
      )
  }
})

/** A chain that goes on from a state of which the statements are not given. */
function chainAt({ sequence, head, root, devices }: StateOf): UserChain {
  const active = new Map(
    devices.map((device) => [
      device.id,
      {
        id: device.id,
        purpose: device.purpose,
        signingFp: device.signingKey,
        encryptionFp: device.encryptionKey,
        kemFp: device.kemKey ?? '-',
        version: device.encryptionVersion
      }
    ])
  )
  const ever = new Map([...active].map(([id, device]) => [id, { ...device, sequence: 1, root }]))
  const used = new Set([...active.values()].flatMap((one) => [one.signingFp, one.encryptionFp, one.kemFp]))
  return { user: 'alice', sequence, head, root, active, states: new Map(), ever, used }
}

interface Outcome {
  sequence: number
  head: string
  members: { username: string; role: string; root: string; state: number }[]
  messageTtl: number
  key: { hash: string; by: string; username: string; roster: Record<string, string[]> }
}

t.test('Chains of conversations', async (t) => {
  const { conversation, signingKeys, users, cases } = vectors<{
    conversation: string
    signingKeys: Record<string, string>
    users: Record<string, Statement[]>
    cases: { title: string; steps: { items: Statement[]; then?: Outcome; refused?: string }[] }[]
  }>('conversation-chains')
  const known = knownKeys(signingKeys)
  const whole: Users = new Map(
    Object.entries(users).map(([name, statements]) => [name, replayUser(name, statements, known)])
  )
  for (const { title, steps } of cases) {
    let chain = noConversation(conversation)
    for (const [at, { items, then }] of steps.entries()) {
      const next = answer(() => replayConversation(conversation, items, known, whole, chain))
      if (then === undefined || next === 'refused')
        t.equal(next, then ? 'taken' : 'refused', `${title}, ${at}`)
      else {
        chain = next
        t.strictSame(outcome(chain), sorted(then), `${title}, ${at}`)
      }
    }
  }
})

function outcome(chain: ReturnType<typeof noConversation>): Outcome {
  const { sequence, head, messageTtl, states } = chain
  const { hash, by, roster: lines } = newestKey(chain)
  const roster: Record<string, string[]> = {}
  for (const { username, id } of lines) (roster[username] ??= []).push(id)
  const members = [...chain.members].map(([username, { role, root }]) => ({
    username,
    role,
    root,
    state: states.get(username)!.sequence
  }))
  const { username } = lines.find(({ signingFp }) => signingFp === by)!
  return sorted({ sequence, head, members, messageTtl, key: { hash, by, username, roster } })
}

/** Members and devices have no order. */
function sorted({ members, key, ...rest }: Outcome): Outcome {
  const roster = Object.entries(key.roster).map(([name, ids]) => [name, [...ids].sort()] as const)
  return {
    ...rest,
    members: [...members].sort((a, b) => (a.username < b.username ? -1 : 1)),
    key: { ...key, roster: Object.fromEntries(roster) }
  }
}
