import { randomBytes, randomUUID } from 'node:crypto'
import t from 'tap'
import { statementHash } from '../../../src/crypto/statements.js'
import type { MemoryStore } from '../../../src/client/stores/memory.js'
import { statementText } from '../../../src/protocol/statement-texts.js'
import { json, problem } from '../../support/fake-answers.js'
import type { FakeServer } from '../../support/fake-server.js'
import { outcome, scene, told } from '../../support/malicious-server.js'
import type { Puppet } from '../../support/puppet.js'
import { line } from '../../support/puppet-conversation.js'
import { puppetTalk, type Speaker } from '../../support/puppet-talk.js'

const hash = (): string => randomBytes(32).toString('hex')

async function records(store: MemoryStore): Promise<string[]> {
  return (await store.list('')).map(([name]) => name)
}

/** Bob has spoken in a group of Alice's, and hears what comes. Mallory was a member; the ghost never was. */
async function group() {
  const all = await scene(t, ['alice', 'mallory'])
  const { server, bob, talk, alice } = all
  await bob.send(talk.id, 'hello')
  await talk.change([{ kind: 'conversation-remove', username: 'mallory' }], alice.device)
  await bob.send(talk.id, 'without mallory')
  const heard = await all.listen()
  let ends = 0
  const heardAll = async (): Promise<void> => {
    await talk.say(alice, `end ${++ends}`, ends)
    await heard.message(`end ${ends}`)
  }
  talk.key = await talk.newestKey(alice.device)
  await heardAll()
  return { ...all, heard, heardAll, ghost: await server.puppet('ghost') }
}

/** Show a user a chain that the server has made up, or that of a conversation of others. */
function showChain(server: FakeServer, id: string, items: readonly unknown[], head: string): void {
  server.lies.push(({ method, path, query }) => {
    if (method !== 'GET' || path !== `/v1/conversations/${id}/chain`) return undefined
    return json({ head, lastPosition: 1, items: items.slice(Number(query.get('after') ?? 0)), next: null })
  })
}

t.test('A message by somebody who is no member shows no fork', async (t) => {
  const { bob, talk, mallory, ghost, heard, heardAll } = await group()
  const key = { ...talk.key, hash: hash() }
  for (const who of [ghost, mallory]) await talk.say(who, 'in another world', 1, { key })
  await bob.users.get('ghost')
  await talk.say(ghost, 'in another world', 2, { key })
  await heardAll()
  const codes = heard.heard.flatMap((event) => (event.type === 'unreadable' ? [event.error.code] : []))
  t.strictSame(codes, ['ghost-sender', 'forbidden-statement', 'forbidden-statement'])
  t.strictSame(bob.noticed(), [])
  t.equal(await outcome(bob.send(talk.id, 'goes on')), 'done')
})

t.test('A request by somebody who is no member is no proof, and blocks nothing', async (t) => {
  const { server, bob, store, talk, mallory, ghost } = await group()
  const honest = talk.conversation
  const refused = async (
    by: Puppet,
    states: readonly { username: string; sequence: number; head: string }[]
  ) => {
    const evil = await honest.fork(honest.requests, server.users)
    talk.conversation = evil
    await talk.show(await talk.sign([], by.device, { state: [...states] }))
    server.conversations.set(talk.id, evil)
    const code = await outcome(bob.conversations.get(talk.id))
    server.conversations.set(talk.id, honest)
    talk.conversation = honest
    return code
  }
  const own = { username: 'ghost', sequence: 1, head: ghost.user.head }
  for (const sequence of [1, 900]) {
    const state = { username: 'alice', sequence, head: hash() }
    t.equal(await refused(ghost, [state, own]), 'forbidden-statement')
    t.equal(await refused(mallory, [state]), 'forbidden-statement')
  }
  t.strictSame(await store.list('proof/'), [])
  t.equal(await outcome(bob.send(talk.id, 'goes on')), 'done')
  t.notOk((await records(store)).some((name) => name.includes('ghost')))
})

t.test('A member’s word about somebody whom the server hides is a proof', async (t) => {
  const { server, bob, store, talk, alice, heard } = await group()
  const dave = await server.puppet('dave')
  server.view = (name) => (name === 'dave' ? undefined : server.users.get(name))
  await talk.change([{ kind: 'conversation-add', member: line(dave.user) }], alice.device)
  t.match((await heard.first('untrusted')).error, { code: 'withheld-chain', message: /dave.*alice/ })
  t.equal(await outcome(bob.send(talk.id, 'to whom?')), 'withheld-chain')
  t.equal((await store.list(`proof/${talk.id}/`)).length, 1)
  t.equal(await store.get('trust/dave'), undefined)
  server.view = (name) => server.users.get(name)
  t.equal(await outcome(bob.send(talk.id, 'to dave, too')), 'done')
  t.match(await bob.contacts.get('dave'), { status: 'unverified' })
})

t.test('A chain that nobody has signed, and one of others, leave nothing behind', async (t) => {
  const { server, bob, store, heardAll, heard } = await group()
  const others = [await server.puppet('others-0'), await server.puppet('others-1')] as const
  const [one, two] = others
  const before = await records(store)

  const [conversation, by, junk] = [randomUUID(), hash(), hash()]
  const create = statementText({
    kind: 'conversation-create',
    conversation,
    sequence: 1,
    previous: '-',
    conversationKind: 'group',
    members: others.map(({ user }) => line(user, 'admin')),
    by
  })
  const key = statementText({
    kind: 'conversation-key',
    conversation,
    sequence: 2,
    previous: await statementHash(create),
    sessionKey: randomUUID(),
    commitment: junk,
    roster: junk,
    state: others.map(({ user }) => ({ username: user.username, sequence: 1, head: user.head })),
    by
  })
  const signatures = { [by]: Buffer.alloc(64).toString('base64') }
  const items = [create, key].map((text) => ({ text, signatures }))
  server.log.append(['bob'], 'conversation.created', {
    conversationId: conversation,
    kind: 'group',
    items
  })
  showChain(server, conversation, items, await statementHash(key))
  t.equal(await outcome(bob.conversations.get(conversation)), 'ghost-member')

  const talk = await puppetTalk(server, 'group', [[one.user, 'admin'], [two.user]], one)
  await talk.change([{ kind: 'conversation-remove', username: two.user.username }], one.device)
  const { statements, head } = talk.conversation
  server.log.append(['bob'], 'conversation.created', {
    conversationId: talk.id,
    kind: 'group',
    items: statements.slice(0, 2)
  })
  showChain(server, talk.id, statements, head)
  t.equal(await outcome(bob.conversations.get(talk.id)), 'foreign-conversation')
  await heardAll()
  const codes = heard.heard.flatMap((event) => (event.type === 'untrusted' ? [event.error.code] : []))
  t.strictSame(codes, ['ghost-member', 'foreign-conversation'])
  t.strictSame(await records(store), before)
  t.equal(
    (await bob.contacts.list()).some(({ username }) => username.startsWith('others')),
    false
  )
})

t.test('A message that nobody of its conversation has signed leaves nothing behind', async (t) => {
  const { server, store, talk, alice, ghost, heard, heardAll } = await group()
  const said = async (by: Speaker, change: object, isGood = true): Promise<void> => {
    const { ref: _, ...message } = await talk.say(by, 'junk', 1, { id: randomUUID(), isStreamed: false })
    const signature = Buffer.alloc(64).toString('base64')
    const shown = { ...message, ...(!isGood && { signature }), ...change }
    talk.conversation.messages.pop()
    server.log.append(['bob'], 'message', shown, message.position)
  }
  const before = await records(store)
  // The server says nothing of one conversation. Then it says nothing of this one, under any key.
  await said(alice, { conversationId: randomUUID(), key: hash() })
  await said(ghost, { conversationId: randomUUID(), key: hash() })
  const hidden = ({ path }: { path: string }) =>
    path === `/v1/conversations/${talk.id}/chain` ? problem('conversation-not-found') : undefined
  server.lies.push(hidden)
  await said(alice, { key: hash() })
  await said(ghost, { key: hash() })
  await heardAll()
  server.lies.length = 0
  t.strictSame(await records(store), before)

  // Under a key that this device has not got yet.
  const key = talk.key
  const next = await talk.change([], alice.device)
  server.lies.push(({ path }) =>
    path.endsWith(`/session-keys/${next.secret.id}`) ? problem('session-key-not-found') : undefined
  )
  talk.key = key
  await heardAll()
  const taken = await records(store)
  talk.key = next
  await said(alice, {}, false)
  await said(ghost, {})
  await said(ghost, { sender: talk.conversation.messages[0]!.sender })
  talk.key = key
  await heardAll()
  t.strictSame(await records(store), taken)
  talk.key = next
  await said(alice, {})
  const { position } = server.log
  talk.key = key
  await heardAll()
  const added = (await records(store)).filter((name) => !taken.includes(name))
  t.strictSame(added, [`unread/${talk.id}/${next.hash}/${position}`])
  const codes = heard.heard.flatMap((event) => (event.type === 'unreadable' ? [event.error.code] : []))
  t.strictSame(codes, [
    'hidden-conversation',
    'hidden-conversation',
    'bad-signature',
    'ghost-sender',
    'bad-signature',
    'ghost-sender',
    'bad-signature',
    'no-session-key'
  ])
})

t.test(
  'A change of the devices of a stranger is neither told nor stored, and nobody is pinned by it',
  async (t) => {
    const { server, bob, store, heard, heardAll, ghost } = await group()
    await heardAll()
    const before = await records(store)
    const { id: userId, username, statements } = ghost.user
    const announce = async (): Promise<void> => {
      const sequence = statements.length
      server.log.append(['bob'], 'device.chain', {
        userId,
        username,
        sequence,
        statement: statements.at(-1)!
      })
      await heardAll()
    }
    await announce()
    const phone = await ghost.add()
    await announce()
    await ghost.rekey()
    await announce()
    t.strictSame(await records(store), before)
    await ghost.revoke(phone.id)
    await announce()
    const added = (await records(store)).filter((name) => !before.includes(name))
    t.strictSame(
      added,
      [`gone-at/${phone.signing.fingerprint}/ghost`],
      'where the device went, and nothing else'
    )
    t.notOk(heard.heard.some(({ type }) => type === 'device-changed' || type === 'untrusted'))
    t.notOk((await bob.contacts.list()).some(({ username }) => username === 'ghost'))
  }
)

t.test('A going that the stream has brought before the user was met counts when they are', async (t) => {
  const { server, bob, alice, heard, heardAll, ghost } = await group()
  const phone = await ghost.add()
  const shared = await puppetTalk(server, 'group', [[alice.user, 'admin'], [ghost.user]], alice)
  const hidden = await ghost.user.fork(2)
  await ghost.revoke(phone.id)
  const { id: userId, username, statements } = ghost.user
  const statement = statements.at(-1)!
  server.log.append(['bob'], 'device.chain', { userId, username, sequence: 3, statement })
  await heardAll()

  // Alice does not know of it yet.
  server.users.set('ghost', hidden)
  const add = { kind: 'conversation-add', member: line(server.requireUser('bob')) } as const
  const made = await shared.sign([add], alice.device)
  const { statements: links, key } = made.request
  await shared.conversation.append(links, key, server.users, { isDue: false })
  server.users.set('ghost', ghost.user)
  shared.announce(made)
  await heard.first('conversation')
  await shared.say({ ...ghost, device: phone }, 'who is it?', 1, { key: made })
  t.match(await heard.first('unreadable'), { error: { code: 'after-revocation' } })
  t.strictSame(await told(bob, shared.id), ['after-revocation'])
})
