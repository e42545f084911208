import { randomUUID } from 'node:crypto'
import t from 'tap'
import {
  forgedKey,
  inShort,
  isHistory,
  isSessionKey,
  maliciousServer,
  RecordingFetch,
  told
} from '../../support/malicious-server.js'
import { all } from '../../support/chat-clients.js'
import { newSessionKey, seal, wrap, type RosterLine } from '../../support/interop/crypto.js'
import { expect, type SessionKeyItem } from '../../support/interop/http.js'
import type { Covered } from '../../support/interop/conversations.js'

const { proxy, victim, user } = await maliciousServer(t)
const alice = await user('alice')
const mallory = await user('mallory')
const posts = new RecordingFetch()
const bob = await victim('bob', { fetch: posts.fetch })
const { id: conversationId, answer } = await alice.createConversation('direct', ['bob'])
expect(answer, 201)

t.afterEach(() => proxy.tamper({}))

const bobsKey = (covered: readonly Covered[]): string =>
  covered.find(({ deviceId }) => deviceId === bob.account!.deviceId)!.encryptionKey

const ghost: Covered = {
  deviceId: mallory.deviceId,
  signingKey: mallory.keys.signingFp,
  encryptionKey: mallory.keys.encryptionKey
}

type Shown = { -readonly [Name in keyof SessionKeyItem]: SessionKeyItem[Name] }
type Lie = (key: Shown, about: { head: string; covered: Covered[] }) => void

/** Bob's view of a message of Alice's when the server lies about its session key. */
async function shown(lie: Lie, after = ''): Promise<string> {
  expect(await alice.newKey(conversationId), 201)
  const { body } = expect(await alice.send(conversationId, after), 201)
  const { head, covered } = await alice.roster(conversationId)
  proxy.tamper({
    answer(answer) {
      if (isSessionKey(answer)) lie(answer.body.sessionKey as Shown, { head, covered })
    }
  })
  const read = await all(bob.history(conversationId, { after: body.position - 1 }))
  return read.map(inShort).join()
}

const words = (from: RegExp, to: string): Lie => {
  return (key) => {
    key.statement = { ...key.statement, text: key.statement.text.replace(from, to) }
  }
}

/** A key that was made by somebody else, with everything in it right but for the maker. */
const made =
  (forge: (about: Parameters<Lie>[1], id: string) => ReturnType<typeof forgedKey>): Lie =>
  (key, about) => {
    const { key: bytes, ...forged } = forge(about, key.id)
    Object.assign(key, forged, { wrappedKey: wrap(bobsKey(about.covered), bytes) })
  }

t.test('A session key that its maker did not sign is refused', async (t) => {
  const place = ({ head }: { head: string }, id: string) => ({ id, conversationId, head })
  const [owner, stranger] = [alice.keys, mallory.keys]
  const lies: [lie: Lie, code: string, what: string][] = [
    [
      made((about, id) => forgedKey(place(about, id), about.covered, { by: owner, signer: stranger })),
      'bad-signature',
      'in Alice’s name, by Mallory’s key'
    ],
    [
      made((about, id) => forgedKey(place(about, id), about.covered, { by: stranger })),
      'forged-session-key',
      'by one who is not in its roster'
    ],
    [
      made((about, id) => forgedKey(place(about, id), [...about.covered, ghost], { by: stranger })),
      'ghost-device',
      'by one who belongs nowhere'
    ],
    [
      made((about, id) => forgedKey(place(about, id), [...about.covered, ghost], { by: owner })),
      'ghost-device',
      'for a device of nobody who belongs, even if Alice says so'
    ],
    [words(/commitment .*/, `commitment ${'0'.repeat(64)}`), 'bad-signature', 'with another commitment'],
    [words(/by .*/, `by ${mallory.keys.signingFp}`), 'forged-session-key', 'in the name of another']
  ]
  for (const [lie, code, what] of lies) t.equal(await shown(lie, what), code, what)
})

t.test('A session key of another place, or on another chain, is refused', async (t) => {
  const elsewhere = randomUUID()
  const lies: [lie: Lie, code: string][] = [
    [
      made(({ head, covered }, id) =>
        forgedKey({ id, conversationId: elsewhere, head }, covered, { by: alice.keys })
      ),
      'forged-session-key'
    ],
    [
      made(({ head, covered }) =>
        forgedKey({ id: randomUUID(), conversationId, head }, covered, { by: alice.keys })
      ),
      'forged-session-key'
    ],
    [
      (key, { head, covered }) => {
        const { statement } = forgedKey({ id: randomUUID(), conversationId, head }, covered, {
          by: alice.keys
        })
        key.statement = statement
      },
      'forged-session-key'
    ],
    [
      made(({ covered }, id) =>
        forgedKey({ id, conversationId, head: '0'.repeat(64) }, covered, { by: alice.keys })
      ),
      'forked-chain'
    ]
  ]
  for (const [lie, code] of lies) t.equal(await shown(lie), code)
})

t.test('A roster with a line more or less than was signed is refused', async (t) => {
  const roster =
    (change: (lines: readonly RosterLine[]) => RosterLine[]): Lie =>
    (key) => {
      key.roster = change(key.roster)
    }
  const line = { signingKey: mallory.keys.signingFp, encryptionKey: mallory.keys.encryptionFp }
  t.equal(await shown(roster((lines) => [...lines, line])), 'forged-session-key')
  t.equal(await shown(roster((lines) => lines.slice(1))), 'forged-session-key')
})

t.test('A wrap that was replaced is refused', async (t) => {
  const other: Lie = (key, { covered }) => {
    key.wrappedKey = wrap(bobsKey(covered), newSessionKey())
  }
  t.equal(await shown(other), 'wrong-commitment', 'by a key that the server knows')
  const garbage: Lie = (key) => {
    key.wrappedKey = wrap(mallory.keys.encryptionKey, newSessionKey())
  }
  t.equal(await shown(garbage), 'unreadable-key', 'by one that does not open')
})

t.test('A message under a forged session key that comes with it is not shown', async (t) => {
  const { head, covered } = await alice.roster(conversationId)
  const id = randomUUID()
  const { key, ...forged } = forgedKey({ id, conversationId, head }, [...covered, ghost], {
    by: mallory.keys
  })
  const sender = { userId: mallory.userId, username: 'mallory', deviceId: mallory.deviceId }
  const content = { type: 'text', n: 1, sentAt: forged.createdAt, text: 'it is me, Alice' }
  const forgery = seal(mallory.keys, key, { id: randomUUID(), conversationId, sessionKeyId: id }, content)
  proxy.tamper({
    answer(answer) {
      if (isHistory(answer))
        answer.body.items = [
          { ...forgery, conversationId, sender, position: 1_000_000, createdAt: forged.createdAt }
        ]
      if (isSessionKey(answer)) {
        answer.status = 200
        answer.body = { sessionKey: { ...forged, wrappedKey: wrap(bobsKey(covered), key) } }
      }
    }
  })
  t.strictSame(await told(bob, conversationId), ['ghost-device'])
})

t.test('Nothing is sent under a forged session key that the server calls the current one', async (t) => {
  const group = await alice.createConversation('group', ['bob'])
  expect(group.answer, 201)
  const forgeries: ((
    id: string,
    about: { head: string; covered: Covered[] }
  ) => ReturnType<typeof forgedKey>)[] = [
    (id, { head, covered }) =>
      forgedKey({ id, conversationId: group.id, head }, [...covered, ghost], { by: alice.keys }),
    (id, { head, covered }) =>
      forgedKey({ id, conversationId: group.id, head }, covered, { by: alice.keys, signer: mallory.keys })
  ]
  for (const forge of forgeries) {
    expect(await alice.rekey(), 200)
    await bob.users.get('alice')
    const about = await alice.roster(group.id)
    const { key, ...sessionKey } = forge(randomUUID(), about)
    const { id } = sessionKey
    let served = false
    proxy.tamper({
      answer(answer) {
        if (answer.path === `/v1/conversations/${group.id}/roster`)
          Object.assign(answer.body, { sessionKeyId: id, rekeyRequired: false })
        if (!answer.path.endsWith(`/session-keys/${id}`)) return
        served = true
        answer.status = 200
        answer.body = { sessionKey: { ...sessionKey, wrappedKey: wrap(bobsKey(about.covered), key) } }
      }
    })
    posts.seen.length = 0
    await bob.send(group.id, 'to whom?')
    t.ok(served, 'the forged key was looked at')
    t.strictSame(posts.kinds(), ['session-keys', 'messages'])
    t.not(posts.seen[1]!.body['sessionKeyId'], id)
    t.notOk(posts.wrappedFor().includes(mallory.deviceId))
  }
})
