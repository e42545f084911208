import t from 'tap'
import { foldConversation } from '../../../src/client/index.js'
import type { IncomingMessage } from '../../../src/client/types/messages.js'
import { all, Listener, PASSWORD } from '../../support/chat-clients.js'
import { fakeClient, linkedDevice } from '../../support/fake-clients.js'
import { hasWrappedFor, inShort, outcome, scene, told } from '../../support/malicious-server.js'
import { puppetDevice, type Puppet } from '../../support/puppet.js'
import type { Speaker } from '../../support/puppet-talk.js'

/**
 * Alice has spoken with her laptop, which the server has now. Her phone revokes it.
 *
 * @param by how Bob learns of it: from the stream, or from a look at the contact
 */
async function stolen(by: 'stream' | 'look') {
  const all = await scene(t, ['alice', 'carol', 'mallory'])
  const { server, bob, talk, alice } = all
  const heard = await all.listen()
  const laptop: Speaker = { user: alice.user, device: alice.device }
  const phone = await alice.add()
  server.announce(alice.user)
  await talk.say(laptop, 'pay to 111', 1)
  await heard.message('pay to 111')
  const key = talk.key
  const revoke = async (): Promise<void> => {
    await alice.revoke(laptop.device.id, { signing: phone.signing })
    if (by === 'stream') {
      server.announce(alice.user)
      await heard.first('device-changed', ({ change }) => change === 'revoked')
    } else {
      await bob.contacts.get('alice')
      // The look at the conversation runs by itself.
      await bob.conversations.get(talk.id)
    }
  }
  return { ...all, heard, laptop, phone, key, revoke }
}

/** What a client would show, with edits applied. */
async function view(...[chat, id]: Parameters<typeof told>): Promise<string[]> {
  const items = await all(chat.history(id, { after: 0 }))
  const messages = items.filter((item): item is IncomingMessage => item.type === 'message')
  return foldConversation(messages).messages.map(({ content }) => (content as { text: string }).text)
}

for (const by of ['stream', 'look'] as const) {
  t.test(`A revoked device says nothing more, to those who know it by the ${by}`, async (t) => {
    const { bob, talk, laptop, key, heard, revoke, carol } = await stolen(by)
    await revoke()
    const original = (await all(bob.history(talk.id)))[0] as IncomingMessage
    const ref = { id: original.id, digest: original.digest }
    await talk.say(laptop, { type: 'edit', ref, text: 'pay to 666' }, 2, { key })
    await talk.say(laptop, 'still here', 3, { key })
    await talk.say(carol, 'end', 1, { key })
    await heard.message('end')
    const refused = ['after-revocation', 'after-revocation']
    t.strictSame(heard.heard.slice(-3).map(inShort), [...refused, 'end'])
    t.strictSame(await told(bob, talk.id), ['pay to 111', ...refused, 'end'])
    t.strictSame(await view(bob, talk.id), ['pay to 111', 'end'])
  })

  t.test(`A revoked device makes no session key, for those who know it by the ${by}`, async (t) => {
    const { bob, talk, laptop, heard, revoke, server } = await stolen(by)
    const late = await talk.sign([], laptop.device)
    await revoke()
    await talk.show(late)
    talk.announce(late)
    t.match(await heard.first('untrusted'), { error: { code: 'after-revocation' } })
    await talk.say(laptop, 'under a key of its own', 1, { key: late })
    t.equal(await outcome(bob.send(talk.id, 'to whom?')), 'after-revocation')
    t.notOk(server.seen.some(({ method, path }) => method === 'POST' && path.endsWith('/messages')))
  })

  t.test(`A revoked admin adds nobody, and nobody vouches for it, by the ${by}`, async (t) => {
    const { server, bob, talk, laptop, mallory, heard, revoke, store } = await stolen(by)
    const ghost = await server.puppet('ghost')
    const admin = ({ user: { username, root } }: Puppet) => ({ username, role: 'admin', root }) as const
    const changes = [
      { kind: 'conversation-add', member: admin(ghost) },
      { kind: 'conversation-role', member: admin(mallory) }
    ] as const
    const late = await talk.sign(changes, laptop.device)
    await revoke()
    await talk.show(late)
    talk.announce(late)
    t.match(await heard.first('untrusted'), { error: { code: 'after-revocation' } })
    const end = { sequence: talk.conversation.statements.length, head: talk.conversation.head }
    for (const one of [ghost, mallory]) {
      await talk.show(await talk.sign([], one.device, { end, members: [...server.users.values()] }))
      t.equal(await outcome(bob.conversations.get(talk.id)), 'after-revocation')
    }
    t.equal(await outcome(bob.send(talk.id, 'a secret')), 'after-revocation')
    t.notOk(hasWrappedFor(server, ghost.device.id))
    await bob.close()
    const again = await fakeClient(t, server, { store })
    t.equal(await outcome(again.send(talk.id, 'a secret')), 'after-revocation', 'after a restart, too')
    t.notOk(hasWrappedFor(server, ghost.device.id))
  })
}

t.test(
  'A message of a revoked device is refused at an earlier place, too, if it counts higher',
  async (t) => {
    const { server, bob, talk, laptop, carol, key, heard, revoke } = await stolen('stream')
    const place = server.log.position + 1
    server.log.position += 5
    await talk.say(laptop, 'three', 3, { key })
    await talk.say(carol, 'end', 1, { key })
    await heard.message('end')
    await revoke()
    await talk.say(laptop, 'two was withheld', 2, { key, position: place, isStreamed: false })
    await talk.say(laptop, 'four was never sent', 4, { key, position: place + 1, isStreamed: false })
    const read = ['pay to 111', 'two was withheld', 'after-revocation', 'three', 'end']
    t.strictSame(await told(bob, talk.id), read)
    t.strictSame(await told(bob, talk.id), read, 'on each reading')
  }
)

t.test('A message that was withheld until its device had gone is refused at its later place', async (t) => {
  const { bob, talk, laptop, key, heard, revoke } = await stolen('stream')
  await talk.say(laptop, 'three', 3, { key })
  await heard.message('three')
  await revoke()
  await talk.say(laptop, 'two, too late', 2, { key })
  await heard.first('unreadable', ({ error }) => error.code === 'after-revocation')
  t.strictSame(await told(bob, talk.id), ['pay to 111', 'withheld 2–2', 'three', 'after-revocation'])
})

t.test('A reset of the stream opens nothing for those who had gone before', async (t) => {
  const { server, bob, talk, laptop, key, heard, revoke, carol } = await stolen('stream')
  await revoke()
  await talk.say(carol, 'known to have gone', 1, { key })
  await heard.message('known to have gone')
  const position = server.log.position + 100
  server.log.send('bob', `event: reset\ndata: ${JSON.stringify({ position })}\n\n`)
  await heard.first('reset')
  server.log.position = position
  await talk.say(carol, 'after the reset', 2, { key })
  await heard.message('after the reset')
  await talk.say(laptop, 'in the gap', 2, { key, position: position - 10, isStreamed: false })
  await talk.say(laptop, 'before the gap', 3, { key, position: 12, isStreamed: false })
  const read = await told(bob, talk.id)
  t.notOk(read.some((text) => text.endsWith('the gap')))
  t.equal(read.filter((text) => text === 'after-revocation').length, 2)
})

t.test('A device reads what was said before it came in, also by those who go later', async (t) => {
  const { server, bob, talk, alice, carol, dora } = await scene(t, ['alice', 'carol', 'dora'])
  const laptop: Speaker = { user: alice.user, device: alice.device }
  const { key } = talk
  await talk.say(laptop, 'one', 1)
  await talk.say(carol, 'hello', 1)
  t.equal((await told(bob, talk.id)).length, 2)
  const place = (server.log.position += 5)
  const phone = await linkedDevice(t, server, bob)
  await phone.conversations.get(talk.id)
  const heard = new Listener(t, phone)
  await heard.first('connected')
  await talk.say(dora, 'welcome', 1)
  await heard.message('welcome')
  const other = await alice.add()
  await alice.revoke(laptop.device.id, other)
  server.announce(alice.user)
  await heard.first('device-changed', ({ change }) => change === 'revoked')
  await talk.say(laptop, 'before, says the server', 2, { position: place, isStreamed: false })
  const past = ['one', 'hello', 'before, says the server', 'welcome']
  t.strictSame(await told(phone, talk.id), past)
  const items = (await all(phone.history(talk.id, { after: 0 }))) as IncomingMessage[]
  t.strictSame(
    items.map(({ departed }) => departed),
    [true, false, true, false]
  )

  await talk.change([{ kind: 'conversation-remove', username: 'carol' }], other)
  await heard.first('members')
  await talk.say(carol, 'so did carol', 2, { key, position: place - 1, isStreamed: false })
  const read = ['one', 'hello', 'so did carol', 'before, says the server', 'welcome']
  t.strictSame(await told(phone, talk.id), read, 'and by members')
})

t.test('A removed member says nothing more, and a new membership begins with its key', async (t) => {
  const { bob, talk, alice, carol, listen } = await scene(t, ['alice', 'carol'])
  const heard = await listen()
  const old = talk.key
  await talk.say(carol, 'one', 1)
  await heard.message('one')
  await talk.change([{ kind: 'conversation-remove', username: 'carol' }], alice.device)
  await talk.say(carol, 'removed, and still here', 2, { key: old })
  await talk.say(alice, 'without carol', 1)
  await heard.message('without carol')
  t.equal(heard.heard.map(inShort).at(-2), 'after-removal')
  const member = { username: 'carol', role: 'member', root: carol.user.root } as const
  await talk.change([{ kind: 'conversation-add', member }], alice.device)
  await talk.say(carol, 'under the old key', 3, { key: old })
  await talk.say(carol, 'back again', 1)
  await heard.message('back again')
  const shown = ['one', 'after-removal', 'without carol', 'after-removal', 'back again']
  t.strictSame(await told(bob, talk.id), shown)
})

t.test(
  'A membership that ended and began again while a client looked away has ended for it too',
  async (t) => {
    const { bob, talk, alice, carol, listen } = await scene(t, ['alice', 'carol'])
    const { key: old } = talk
    await bob.send(talk.id, 'to all')
    await talk.change([{ kind: 'conversation-remove', username: 'carol' }], alice.device)
    const member = { username: 'carol', role: 'member', root: carol.user.root } as const
    await talk.change([{ kind: 'conversation-add', member }], alice.device)
    await bob.send(talk.id, 'to all of now')
    const heard = await listen()
    await talk.say(carol, 'under the old key', 1, { key: old })
    await talk.say(carol, 'back again', 1)
    await heard.message('back again')
    t.strictSame(heard.heard.slice(-2).map(inShort), ['after-removal', 'back again'])
  }
)

t.test('Another log with lower positions opens nothing for those who had gone before', async (t) => {
  const { server, talk, laptop, key, heard, revoke, carol } = await stolen('stream')
  server.log.position += 500
  await talk.say(laptop, 'from before', 2, { key })
  await revoke()
  await talk.say(carol, 'known', 1, { key })
  await heard.message('known')
  server.log.send('bob', `event: reset\ndata: ${JSON.stringify({ position: 50 })}\n\n`)
  await heard.first('reset')
  const said = [
    await talk.say(carol, 'in another log', 2, { key, position: 60, isStreamed: false }),
    await talk.say(laptop, 'still here', 3, { key, position: 61, isStreamed: false }),
    await talk.say(carol, 'end', 3, { key, position: 62, isStreamed: false })
  ]
  for (const { ref: _, ...message } of said) {
    const data = JSON.stringify(message)
    server.log.send('bob', `id: bbbbbbbb-${message.position}\nevent: message\ndata: ${data}\n\n`)
  }
  await heard.message('end')
  t.strictSame(heard.heard.slice(-3).map(inShort), ['in another log', 'after-revocation', 'end'])
})

t.test(
  'A message from before its sender had gone is heard as the first event of another log, too',
  async (t) => {
    const { server, bob, talk, alice, carol, listen } = await scene(t, ['alice', 'carol'])
    const heard = await listen()
    await talk.say(carol, 'one', 1)
    await heard.message('one')
    const { key } = talk
    await talk.say(alice, 'lost', 1)
    await heard.message('lost')
    // No position comes again: the other log goes on far behind.
    server.log.position += 1000
    const place = server.log.position
    const { request } = await talk.sign([{ kind: 'conversation-remove', username: 'carol' }], alice.device)
    await talk.conversation.append(request.statements, request.key, server.users, { isDue: false })
    talk.conversation.lastPosition = place + 1
    t.equal((await bob.conversations.get(talk.id)).members.length, 2)
    server.log.send('bob', `event: reset\ndata: ${JSON.stringify({ position: 1 })}\n\n`)
    await heard.first('reset')
    const { ref: _, ...message } = await talk.say(carol, 'my last word', 2, {
      key,
      position: place,
      isStreamed: false
    })
    server.log.send('bob', `id: bbbbbbbb-${place}\nevent: message\ndata: ${JSON.stringify(message)}\n\n`)
    await heard.message('my last word')
  }
)

t.test('An edit that shows up after its device has gone stands beside what was read before', async (t) => {
  const { server, bob, talk, alice, carol } = await scene(t, ['alice', 'carol'])
  const laptop: Speaker = { user: alice.user, device: alice.device }
  const phone = await alice.add()
  const { ref } = await talk.say(laptop, 'pay to 111', 1)
  const position = server.log.position + 1
  server.log.position += 5
  await talk.say(carol, 'hello', 1)
  t.strictSame(await told(bob, talk.id), ['pay to 111', 'hello'])
  await alice.revoke(laptop.device.id, phone)
  await bob.contacts.get('alice')
  await bob.conversations.get(talk.id)
  // A client that follows no stream can't tell when an edit at an old place was made.
  await talk.say(laptop, { type: 'edit', ref, text: 'pay to 666' }, 2, { position, isStreamed: false })
  const items = (await all(bob.history(talk.id, { after: 0 }))) as IncomingMessage[]
  const { messages } = foldConversation(items.filter(({ type }) => type === 'message'))
  t.match(messages[0], { content: { text: 'pay to 111' }, editedAt: null, departedEdits: ['pay to 666'] })
})

t.test(
  'A title, a reaction and an edit of the departed take the place of none that was read before',
  async (t) => {
    const { server, bob, store, talk, alice, carol } = await scene(t, ['alice', 'carol'])
    const laptop: Speaker = { user: alice.user, device: alice.device }
    const phone: Speaker = { user: alice.user, device: await alice.add() }
    await talk.change([], phone.device)
    await talk.say(laptop, { type: 'title', text: 'Book club' }, 1)
    const { ref } = await talk.say(carol, 'transfer it?', 1)
    await talk.say(laptop, { type: 'reaction', ref, text: 'NO' }, 2)
    const own = await talk.say(phone, 'to 111', 1)
    await talk.say(phone, { type: 'edit', ref: own.ref, text: 'to 222' }, 2)
    const view = async (chat: typeof bob) => {
      const items = (await all(chat.history(talk.id, { after: 0 }))) as IncomingMessage[]
      const { title, messages } = foldConversation(items.filter(({ type }) => type === 'message'))
      const [record] = await chat.conversations.list({ readTitles: true })
      const names = [title, await chat.conversations.readTitle(talk.id), record!.title]
      return { names, messages: messages.filter(({ content }) => content.type === 'text') }
    }
    const names = Array<string>(3).fill('Book club')
    const texts = [
      { reactions: { NO: ['alice'] }, departedReactions: {} },
      { content: { text: 'to 222' }, departedEdits: [] }
    ]
    t.match(await view(bob), { names, messages: texts })
    const position = server.log.position + 100
    talk.conversation.lastPosition = position + 10
    await alice.revoke(laptop.device.id, phone.device)
    await bob.contacts.get('alice')
    await bob.conversations.get(talk.id)
    const late = [
      { type: 'title', text: 'Payments' },
      { type: 'reaction', ref, text: 'YES' },
      { type: 'edit', ref: own.ref, text: 'to 666' }
    ] as const
    for (const [at, content] of late.entries())
      await talk.say(laptop, content, at + 3, { position: position + at, isStreamed: false })
    const beside = [
      { ...texts[0], departedReactions: { YES: ['alice'] } },
      { ...texts[1], departedEdits: ['to 666'] }
    ]
    t.match(await view(bob), { names, messages: beside })
    await bob.close()
    t.match(
      await view(await fakeClient(t, server, { store })),
      { names, messages: beside },
      'after a restart, too'
    )
  }
)

t.test('The title of a group whose names all come from the departed is the newest of them', async (t) => {
  const { server, bob, talk, alice, carol } = await scene(t, ['alice', 'carol'])
  const laptop: Speaker = { user: alice.user, device: alice.device }
  for (const [at, text] of ['First', 'Second'].entries())
    await talk.say(laptop, { type: 'title', text }, at + 1)
  await alice.revoke(laptop.device.id, await alice.add())
  await talk.change([], carol.device)
  server.log.events.length = 0
  const named = async () => {
    const items = (await all(bob.history(talk.id, { after: 0 }))) as IncomingMessage[]
    return [await bob.conversations.readTitle(talk.id), foldConversation(items).title]
  }
  t.strictSame(await named(), ['Second', 'Second'])
  await talk.say(carol, { type: 'title', text: 'Third' }, 1)
  t.strictSame(await named(), ['Third', 'Third'])
})

t.test('The past of a conversation is shown to a newcomer, marked, and is no alarm', async (t) => {
  const { server, bob, talk, alice, listen } = await scene(t, ['alice', 'carol'])
  const laptop: Speaker = { user: alice.user, device: alice.device }
  for (let n = 1; n <= 3; n++) await talk.say(laptop, `m${n}`, n)
  await talk.change([], laptop.device)
  await talk.say(laptop, 'm4', 1)
  const phone = await alice.add(await puppetDevice())
  await alice.revoke(laptop.device.id, phone)
  await talk.change([], phone)
  server.log.events.length = 0
  const heard = await listen()
  t.strictSame(await told(bob, talk.id), ['m1', 'm2', 'm3', 'm4'])
  const items = (await all(bob.history(talk.id))) as IncomingMessage[]
  t.ok(items.every(({ departed }) => departed))
  await bob.send(talk.id, 'hello')
  t.notOk(heard.heard.some(({ type }) => type === 'untrusted'))
})

t.test('A message that was read before its device had gone is not marked later', async (t) => {
  const { server, bob, talk, revoke, store } = await stolen('stream')
  await revoke()
  const first = async (chat: typeof bob) => (await all(chat.history(talk.id, { after: 0 })))[0]
  t.match(await first(bob), { type: 'message', departed: false })
  await bob.close()
  t.match(await first(await fakeClient(t, server, { store })), { type: 'message', departed: false })
})

t.test('An edit by the departed stands beside the original, and their retraction applies', async (t) => {
  const { server, bob, talk, alice } = await scene(t, ['alice', 'carol'])
  const laptop: Speaker = { user: alice.user, device: alice.device }
  const phone: Speaker = { user: alice.user, device: await alice.add() }
  await talk.change([], laptop.device)
  const { ref } = await talk.say(phone, 'pay to 111', 1)
  const other = await talk.say(phone, 'a mistake', 2)
  await talk.say(laptop, { type: 'edit', ref, text: 'pay to 666' }, 1)
  await talk.say(laptop, { type: 'retract', ref: other.ref }, 2)
  await alice.revoke(laptop.device.id, phone.device)
  await talk.change([], phone.device)
  server.log.events.length = 0
  const items = (await all(bob.history(talk.id, { after: 0 }))) as IncomingMessage[]
  t.match(foldConversation(items).messages, [
    { content: { text: 'pay to 111' }, editedAt: null, departedEdits: ['pay to 666'] },
    { isRetracted: true }
  ])
})

t.test('A change by a device that had gone before this client looked is told by name', async (t) => {
  const { bob, talk, laptop, heard, alice, phone, carol } = await stolen('look')
  const role = { username: 'carol', role: 'admin', root: carol.user.root } as const
  const late = await talk.sign([{ kind: 'conversation-role', member: role }], laptop.device)
  await alice.revoke(laptop.device.id, { signing: phone.signing })
  await talk.show(late)
  await bob.contacts.get('alice')
  await bob.conversations.get(talk.id)
  await talk.say(carol, 'tick', 1)
  t.match(await heard.first('untrusted'), {
    error: { code: 'late-statement', message: /alice/ },
    username: 'alice',
    conversationId: talk.id
  })
})

for (const way of ['its key', 'a message under it'] as const) {
  t.test(`A last position that is too high keeps nothing open once the stream brings ${way}`, async (t) => {
    const { server, bob, talk, phone, laptop, key, heard, revoke, carol, store } = await stolen('look')
    server.lies.push(async ({ method, path, honest }) =>
      method === 'GET' && path.endsWith('/chain')
        ? { ...((await (await honest()).json()) as object), lastPosition: 2 ** 40 }
        : undefined
    )
    await revoke()
    const place = server.log.position + 1
    server.log.position += 5
    const made = await talk.sign([], phone)
    await talk.show(made)
    talk.key = made
    let n = 1
    if (way === 'its key') talk.announce(made)
    else await talk.say(carol, 'gone on', n++)
    await talk.say(laptop, 'still here', 2, { key })
    await talk.say(carol, 'end', n)
    await heard.message('end')
    t.strictSame(heard.heard.slice(-2).map(inShort), ['after-revocation', 'end'])
    await talk.say(laptop, 'earlier', 3, { key, position: place, isStreamed: false })
    const between = way === 'its key' ? [] : ['gone on']
    const read = ['pay to 111', 'after-revocation', ...between, 'after-revocation', 'end']
    t.strictSame(await told(bob, talk.id), read)
    await bob.close()
    t.strictSame(await told(await fakeClient(t, server, { store }), talk.id), read, 'after a restart, too')
  })
}

t.test('A message that waited for its key is read with it, and nothing in its place', async (t) => {
  const { server, bob, talk, laptop, heard, revoke } = await stolen('stream')
  const made = await talk.change([], laptop.device)
  const own = bob.account!.deviceId
  const wrap = talk.conversation.key.wraps.get(own)!
  talk.conversation.key.wraps.delete(own)
  const waiting = [await talk.say(laptop, 'before', 1), await talk.say(laptop, 'pay to 111', 2)]
  await heard.first('unreadable', ({ position }) => position === waiting[1]!.position)
  await revoke()
  talk.conversation.messages = talk.conversation.messages.filter(({ id }) => id !== waiting[1]!.id)
  const { position, id } = waiting[1]!
  await talk.say(laptop, 'pay to 666', 2, { position, id, isStreamed: false })
  talk.conversation.key.wraps.set(own, wrap)
  const data = { conversationId: talk.id, sessionKeyId: made.secret.id, deviceIds: [own] }
  server.log.append(['bob'], 'session-key.shared', data)
  await heard.message('before')
  await heard.first('unreadable', ({ error }) => error.code === 'after-revocation')
  t.strictSame(await told(bob, talk.id), ['pay to 111', 'before', 'after-revocation'])
})

t.test('A key that came after the beginning of the stream was not used before it', async (t) => {
  for (const place of ['read', 'not read'] as const) {
    const { bob, talk, laptop, heard, revoke, store, server } = await stolen('stream')
    if (place === 'not read') {
      // The stream begins behind these places.
      const position = server.log.position + 100
      server.log.send('bob', `event: reset\ndata: ${JSON.stringify({ position })}\n\n`)
      await heard.first('reset')
      server.log.position = position
    }
    const made = await talk.change([], laptop.device)
    await revoke()
    await talk.say(laptop, 'long ago, says the server', 1, { key: made, position: 3, isStreamed: false })
    await talk.say(laptop, 'and this', 2, { key: made, position: 4, isStreamed: false })
    const read = ['after-revocation', 'after-revocation', 'pay to 111']
    t.strictSame(await told(bob, talk.id), read, place)
    await bob.close()
    const again = await fakeClient(t, server, { store })
    t.strictSame(await told(again, talk.id), read, `${place}, after a restart, too`)
  }
})

t.test('A message that waited when its device was reset away is the past, and no late one', async (t) => {
  const { server, bob, talk } = await scene(t, ['alice'])
  const tablet = await linkedDevice(t, server, bob)
  await bob.send(talk.id, 'before')
  await tablet.send(talk.id, 'by the tablet')
  await bob.devices.reset({ username: 'bob', password: PASSWORD })
  t.strictSame(await told(bob, talk.id), ['before', 'by the tablet'])
})

t.test('A membership that has ended stays over when a later one has ended, too', async (t) => {
  const { server, bob, talk, alice, carol, listen } = await scene(t, ['alice', 'carol'])
  const heard = await listen()
  const { key } = talk
  const remove = () => talk.change([{ kind: 'conversation-remove', username: 'carol' }], alice.device)
  await talk.say(carol, 'one', 1)
  await talk.say(carol, 'three', 3)
  await heard.message('three')
  await remove()
  const place = (server.log.position += 5)
  await talk.say(carol, 'signed later', 2, { key, position: place, isStreamed: false })
  await talk.say(alice, 'without carol', 1)
  await heard.message('without carol')
  const read = ['one', 'withheld 2–2', 'three', 'after-removal', 'without carol']
  t.strictSame(await told(bob, talk.id), read)
  const member = { username: 'carol', role: 'member', root: carol.user.root } as const
  await talk.change([{ kind: 'conversation-add', member }], alice.device)
  await remove()
  await talk.say(alice, 'end', 1)
  await heard.message('end')
  t.strictSame(await told(bob, talk.id), [...read, 'end'])
})

t.test('A message of an earlier membership is marked, also when its member is in again', async (t) => {
  const { bob, talk, alice, carol } = await scene(t, ['alice', 'carol'])
  const { key } = talk
  await talk.say(carol, 'before', 2)
  await talk.change([{ kind: 'conversation-remove', username: 'carol' }], alice.device)
  const member = { username: 'carol', role: 'member', root: carol.user.root } as const
  await talk.change([{ kind: 'conversation-add', member }], alice.device)
  await talk.say(carol, 'now', 1)
  await bob.conversations.get(talk.id)
  await talk.say(carol, 'signed later', 1, { key, position: 5, isStreamed: false })
  const items = (await all(bob.history(talk.id, { after: 0 }))) as IncomingMessage[]
  t.strictSame(
    items.map((item) => [inShort(item), item.departed]),
    [
      ['signed later', true],
      ['before', true],
      ['now', false]
    ]
  )
})

t.test('A membership that ends and begins again in one request has ended', async (t) => {
  const { bob, talk, alice, carol, listen } = await scene(t, ['alice', 'carol'])
  const heard = await listen()
  const { key } = talk
  await talk.say(carol, 'before', 1)
  await heard.message('before')
  const member = { username: 'carol', role: 'member', root: carol.user.root } as const
  const [remove, add] = ['conversation-remove', 'conversation-add'] as const
  const { head, statements } = carol.user
  const state = [{ username: 'carol', sequence: statements.length, head }]
  await talk.change(
    [
      { kind: remove, username: 'carol' },
      { kind: add, member }
    ],
    alice.device,
    { state }
  )
  await talk.say(carol, 'under the old key', 2, { key })
  await talk.say(carol, 'back again', 1)
  await heard.message('back again')
  const read = ['before', 'after-removal', 'back again']
  t.strictSame(await told(bob, talk.id), read)
  const items = await all(bob.history(talk.id, { after: 0 }))
  t.match(items.at(-1), { departed: false })
})
