import { randomUUID } from 'node:crypto'
import t from 'tap'
import { failure, Listener } from '../../support/chat-clients.js'
import { inTheNameOf, maliciousServer, RecordingFetch } from '../../support/malicious-server.js'
import { signed, statementText, type Statement } from '../../support/interop/chains.js'
import { sha256Hex, type DeviceKeys } from '../../support/interop/crypto.js'
import { expect } from '../../support/interop/http.js'
import type { InteropClient } from '../../support/interop/client.js'
import type { Answer, Frame } from '../../support/tampering-proxy.js'

const { proxy, victim, user } = await maliciousServer(t)
const alice = await user('alice')
const carol = await user('carol')
const mallory = await user('mallory')
const posts = new RecordingFetch()
const bob = await victim('bob', { fetch: posts.fetch })
const bobs = new Listener(t, bob)
await bobs.first('connected')

t.beforeEach(() => (posts.seen.length = 0))
t.afterEach(() => proxy.tamper({}))

/** A group of Alice's with Bob and Carol, in which Bob has spoken. */
async function group(): Promise<{ id: string; head: string; by: DeviceKeys }> {
  const { id, answer } = await alice.createConversation('group', ['bob', 'carol'])
  expect(answer, 201)
  await bob.send(id, 'here I am')
  posts.seen.length = 0
  return { id, head: (await alice.chain(id)).head, by: alice.keys }
}

interface Change {
  id: string
  head: string
  by: DeviceKeys
  sequence?: number
  line?: string
}

/** A statement about the members, signed by the device that it names. */
function change(kind: string, { id, head, by, sequence = 2, line }: Change): Statement {
  const text = statementText(`conversation-${kind}`, [
    ['conversation', id],
    ['sequence', sequence],
    ['previous', head],
    ...(line === undefined ? [] : [['member', line] as const]),
    ['by', by.signingFp]
  ])
  return signed(text, by)
}

const isChain = ({ path }: Answer, id: string): boolean => path.startsWith(`/v1/conversations/${id}/chain?`)
const isRoster = ({ path }: Answer, id: string): boolean => path === `/v1/conversations/${id}/roster`

/** The error of a look-up of a conversation whose chain the server extends like this. */
async function looked(id: string, statement: Statement): Promise<string> {
  proxy.tamper({
    answer(answer) {
      if (!isChain(answer, id)) return
      answer.body.items = [statement]
      answer.body.head = sha256Hex(statement.text)
    }
  })
  const { kind, code } = await failure(bob.conversations.get(id))
  return `${kind} ${code}`
}

t.test('A member in the roster who is not in the chain gets no key', async (t) => {
  const { id } = await group()
  const devices = (await profile(mallory)).devices
  proxy.tamper({
    answer(answer) {
      if (!isRoster(answer, id)) return
      const ghost = { username: 'mallory', role: 'member', root: mallory.keys.signingFp, devices }
      answer.body.members.push(ghost)
    }
  })
  expect(await carol.rekey(), 200)
  await bob.users.get('carol')
  t.match(await failure(bob.send(id, 'who reads this?')), { kind: 'untrusted', code: 'ghost-member' })
  t.strictSame(posts.kinds(), [])
})

t.test('A device in the roster that is not in its user’s chain gets no key', async (t) => {
  const { id } = await group()
  const [ghost] = (await profile(mallory)).devices
  proxy.tamper({
    answer(answer) {
      if (isRoster(answer, id)) answer.body.members[0].devices.push(ghost)
    }
  })
  expect(await carol.rekey(), 200)
  await bob.users.get('carol')
  t.match(await failure(bob.send(id, 'who reads this?')), { kind: 'untrusted', code: 'ghost-device' })
  t.strictSame(posts.kinds(), [])
  proxy.tamper({})
  const stale = { type: '/problems/stale-roster', missing: [ghost!.id], unexpected: [] }
  posts.answers.set('session-keys', () => Response.json(stale, { status: 409 }))
  t.match(await failure(bob.send(id, 'who reads this?')), { kind: 'untrusted', code: 'ghost-device' })
  t.notOk(posts.kinds().includes('messages'), 'even if the server takes no other key')
  t.notOk(posts.wrappedFor().includes(ghost!.id))
  posts.answers.clear()
})

t.test('A change of the members by one who may not make it is refused', async (t) => {
  const { id, head } = await group()
  const line = `mallory member ${mallory.keys.signingFp}`
  const byMallory = change('add', { id, head, by: mallory.keys, line })
  const text = change('add', { id, head, by: alice.keys, line }).text
  t.equal(await looked(id, byMallory), 'untrusted ghost-member', 'by nobody who belongs')
  t.equal(await looked(id, inTheNameOf(alice.keys, mallory.keys, text)), 'untrusted bad-signature')
  const byCarol = change('add', { id, head, by: carol.keys, line })
  t.equal(await looked(id, byCarol), 'untrusted forbidden-statement', 'by a member who is no admin')
  t.notOk((await bob.conversations.list()).some(({ members }) => members.some(isMallory)))
})

t.test('A change that the stream brings is refused in the same way', async (t) => {
  const { id, head } = await group()
  const line = `mallory member ${mallory.keys.signingFp}`
  const forged = change('add', { id, head, by: mallory.keys, line })
  proxy.tamper({ frame: (frame) => [isChange(frame, id) ? shows(frame, forged) : frame] })
  expect(await alice.setRole(id, 'carol', 'admin'), 201)
  const { error } = await bobs.first('untrusted', ({ conversationId }) => conversationId === id)
  t.match(error, { kind: 'untrusted', code: 'ghost-member' })
  t.notOk((await bob.conversations.get(id)).members.some(isMallory))
})

t.test('A conversation that nobody has made is refused', async (t) => {
  const { id } = await group()
  const made = (members: string[], by: DeviceKeys) =>
    statementText('conversation-create', [
      ['conversation', id],
      ['sequence', 1],
      ['previous', '-'],
      ['kind', 'group'],
      ...members.sort().map((line) => ['member', line] as const),
      ['by', by.signingFp]
    ])
  const [alices, bobsLine] = [`alice admin ${alice.keys.signingFp}`, `bob member ${bob.account!.fingerprint}`]
  const fresh = await victim('bess')
  const lies: [statement: Statement, code: string][] = [
    [signed(made([alices, bobsLine], mallory.keys), mallory.keys), 'ghost-member'],
    [inTheNameOf(alice.keys, mallory.keys, made([alices, bobsLine], alice.keys)), 'bad-signature'],
    [
      signed(made([`alice admin ${mallory.keys.signingFp}`, bobsLine], mallory.keys), mallory.keys),
      'ghost-member'
    ]
  ]
  for (const [statement, code] of lies) {
    proxy.tamper({
      answer(answer) {
        if (!isChain(answer, id)) return
        answer.status = 200
        answer.body = { head: sha256Hex(statement.text), items: [statement], next: null }
      }
    })
    t.match(await failure(fresh.conversations.get(id)), { kind: 'untrusted', code })
  }
  const text = made([alices, bobsLine], alice.keys)
  proxy.tamper({})
  t.equal(await looked(id, signed(text, alice.keys)), 'untrusted forked-chain', 'a second beginning')
})

t.test('A chain that is shorter than, or forks from, the one seen before is refused', async (t) => {
  const { id, head } = await group()
  const fork = change('remove', { id, head, by: alice.keys, line: 'carol' })
  expect(await alice.setRole(id, 'carol', 'admin'), 201)
  await bob.conversations.get(id)
  t.equal(await looked(id, fork), 'untrusted forked-chain')
  const onward = { id, head: sha256Hex(fork.text), by: alice.keys, sequence: 3 }
  t.equal(await looked(id, change('leave', onward)), 'untrusted forked-chain')
  const elsewhere = change('leave', { ...onward, id: randomUUID() })
  t.equal(await looked(id, elsewhere), 'untrusted moved-statement')
  proxy.tamper({
    answer(answer) {
      if (isChain(answer, id)) answer.body.head = head
      if (answer.path.startsWith('/v1/conversations?'))
        for (const view of answer.body.items as { head: string; sequence: number }[])
          Object.assign(view, { head, sequence: 1 })
    }
  })
  t.match(await failure(bob.conversations.get(id)), { kind: 'untrusted', code: 'forked-chain' })
  const shown = (await bob.conversations.list()).find((one) => one.id === id)
  t.match(shown, { trouble: { code: 'forked-chain' } })
  t.equal(shown?.members.length, 3, 'what stood still stands')
})

t.test('In the stream, a chain that forks from the one seen before is refused', async (t) => {
  const { id, head } = await group()
  const fork = change('remove', { id, head, by: alice.keys, line: 'carol' })
  expect(await alice.setRole(id, 'carol', 'admin'), 201)
  await bobs.first('members', ({ conversationId }) => conversationId === id)
  proxy.tamper({
    frame: (frame) => {
      if (!isChange(frame, id)) return [frame]
      return [{ ...frame, data: { ...frame.data, sequence: 2, statement: fork } }]
    }
  })
  expect(await alice.setRole(id, 'carol', 'member'), 201)
  const { error } = await bobs.first('untrusted', ({ conversationId }) => conversationId === id)
  t.match(error, { kind: 'untrusted', code: 'forked-chain' })
})

const isMallory = ({ username }: { username: string }): boolean => username === 'mallory'

const isChange = ({ event, data }: Frame, id: string): boolean =>
  event === 'conversation.chain' && (data as { conversationId: string }).conversationId === id

function shows(frame: Frame, statement: Statement): Frame {
  return { ...frame, data: { ...frame.data, statement } }
}

async function profile(of: InteropClient): Promise<{ devices: { id: string }[] }> {
  return expect(await of.raw<{ devices: { id: string }[] }>('GET', `/v1/users/${of.username}`), 200).body
}
