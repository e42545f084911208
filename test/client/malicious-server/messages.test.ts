import { randomUUID } from 'node:crypto'
import t from 'tap'
import { all, failure, Listener, textOf } from '../../support/chat-clients.js'
import { eventually } from '../../support/eventually.js'
import { puppetTalk } from '../../support/puppet-talk.js'
import { fakeClient } from '../../support/fake-clients.js'
import { inShort, scene, told } from '../../support/malicious-server.js'
import type { Message } from '../../../src/protocol/messages.js'

/** A conversation in which Alice has sent Bob three messages. */
async function three() {
  const all = await scene(t, ['alice', 'carol'])
  for (const [at, text] of ['one', 'two', 'three'].entries()) await all.talk.say(all.alice, text, at + 1)
  return { ...all, messages: all.talk.conversation.messages }
}

type Three = Awaited<ReturnType<typeof three>>

/** Bob's history when the server serves these messages. */
function served({ bob, talk }: Pick<Three, 'bob' | 'talk'>, items: readonly Message[]): Promise<string[]> {
  talk.conversation.messages = [...items]
  return told(bob, talk.id)
}

t.test('A message that is withheld leaves a gap, on each reading and in both directions', async (t) => {
  const at = await three()
  const [one, two, last] = at.messages
  t.strictSame(await served(at, [one!, last!]), ['one', 'withheld 2–2', 'three'])
  t.strictSame(await served(at, [one!, last!]), ['one', 'withheld 2–2', 'three'])
  const backward: string[] = []
  for await (const item of at.bob.history(at.talk.id)) backward.push(inShort(item))
  t.strictSame(backward, ['three', 'withheld 2–2', 'one'])
  t.strictSame(await served(at, [one!, two!, last!]), ['one', 'two', 'three'])
})

t.test('First messages under a key are missed, by devices that the key was made for', async (t) => {
  const at = await three()
  const last = at.messages.slice(2)
  t.strictSame(await served(at, last), ['withheld 1–2', 'three'])
  t.strictSame(await served(at, last), ['withheld 1–2', 'three'], 'on each reading')
  const backward: string[] = []
  for await (const item of at.bob.history(at.talk.id)) backward.push(inShort(item))
  t.strictSame(backward, ['three', 'withheld 1–2'])

  await at.talk.change([], at.alice.device)
  await at.talk.say(at.alice, 'another key', 2)
  t.strictSame(await told(at.bob, at.talk.id), ['withheld 1–2', 'three', 'withheld 1–1', 'another key'])
})

t.test('First messages under a key are missed in the stream, too', async (t) => {
  const { talk, alice, listen } = await scene(t, ['alice'])
  const heard = await listen()
  await talk.say(alice, 'three', 3)
  await heard.message('three')
  await talk.say(alice, 'two comes late', 2)
  await talk.say(alice, 'four', 4)
  await heard.message('four')
  const shown = ['withheld 1–2', 'three', 'reordered', 'two comes late', 'four']
  t.strictSame(heard.heard.slice(-5).map(inShort), shown)
})

t.test('A message that is shown again, at another place or under another id, is refused', async (t) => {
  const at = await three()
  const again = (change: Partial<Message>) => {
    const [one, two, last] = at.messages
    return served(at, [one!, two!, last!, { ...one!, position: last!.position + 5, ...change }])
  }
  t.strictSame(await again({}), ['one', 'two', 'three', 'replayed-message'])
  t.strictSame(await again({ id: randomUUID() }), ['one', 'two', 'three', 'bad-signature'])
})

/** Two processes of Bob's device: one follows the stream, the other reads the history. */
async function twoProcesses() {
  const at = await scene(t, ['alice'], { kind: 'direct' })
  const heard = await at.listen()
  await at.talk.say(at.alice, 'first', 1)
  await heard.message('first')
  const reader = await fakeClient(t, at.server, { store: at.store })
  const { ref, ...message } = await at.talk.say(at.alice, 'pay', 2, { isStreamed: false })
  /** The server streams the same message as a new one. */
  const replay = () => {
    at.server.log.position += 10
    at.server.log.append(['bob'], 'message', { ...message, position: at.server.log.position + 1 })
  }
  return { ...at, heard, reader, replay, ref }
}

t.test('A message that one process has read is refused at another place in another process', async (t) => {
  const { server, store, talk, alice, heard, reader, replay } = await twoProcesses()
  t.strictSame(await told(reader, talk.id), ['first', 'pay'])
  replay()
  await talk.say(alice, 'end', 3)
  await heard.message('end')
  t.strictSame(heard.heard.slice(-2).map(inShort), ['replayed-message', 'end'])
  t.strictSame(heard.texts(), ['first', 'end'], 'it is not shown as new')
  const again = await fakeClient(t, server, { store })
  t.strictSame((await told(again, talk.id)).slice(0, 2), ['first', 'pay'], 'its true place stays')
})

t.test('Two processes that show one message at two places at once tell it', async (t) => {
  const { talk, alice, heard, reader, replay } = await twoProcesses()
  const history = reader.history(talk.id, { after: 0 })[Symbol.asyncIterator]()
  t.strictSame(
    [await history.next(), await history.next()].map(({ value }) => inShort(value)),
    ['first', 'pay']
  )
  replay()
  await talk.say(alice, 'end', 3)
  await heard.message('end')
  t.ok(heard.texts().includes('pay'), 'the reader has not written it down yet')
  await eventually(async () => {
    await history.return?.(undefined)
    return reader
      .noticed()
      .some((event) => event.type === 'untrusted' && event.error.code === 'replayed-message')
  })
  t.strictSame((await told(reader, talk.id)).slice(0, 2), ['first', 'replayed-message'])
})

t.test('A message that one process has read counts as read in all, when its device goes', async (t) => {
  const { server, bob, store, talk, alice, listen } = await scene(t, ['alice', 'carol'])
  const [phone, { key }] = [await alice.add(), talk]
  server.announce(alice.user)
  const heard = await listen()
  await talk.say(alice, 'one', 1)
  await heard.message('one')
  const reader = await fakeClient(t, server, { store })
  t.strictSame(await told(reader, talk.id), ['one'])
  await talk.say(alice, 'two', 2)
  await talk.say(alice, 'three', 3)
  await heard.message('three')
  await alice.revoke(alice.device.id, phone)
  server.announce(alice.user)
  await heard.first('device-changed', ({ change }) => change === 'revoked')
  await talk.change([], phone)
  await talk.say(alice, 'gone', 4, { key })
  await heard.first('unreadable', ({ error }) => error.code === 'after-revocation')
  for (const chat of [reader, bob])
    t.strictSame(await told(chat, talk.id), ['one', 'two', 'three', 'after-revocation'])
})

for (const place of ['the stream', 'a page of history'] as const)
  t.test(
    `A message in ${place} that is left in the middle is known for good once it came again`,
    async (t) => {
      const { server, bob, store, talk, alice, listen } = await scene(t, ['alice'])
      const said = () => talk.say(alice, 'pay', 1, { isStreamed: place === 'the stream' })
      let message: Message
      if (place === 'the stream') {
        for await (const event of bob.events()) {
          if (event.type === 'connected') message = await said()
          if (textOf(event) === 'pay') break
        }
      } else {
        message = await said()
        // Nobody ever asks for the rest of the page.
        await bob.history(talk.id)[Symbol.asyncIterator]().next()
      }
      const heard = await listen()
      if (place === 'a page of history') talk.stream(message!)
      await heard.message('pay')
      await heard.stop()
      const again = new Listener(t, await fakeClient(t, server, { store }))
      await again.first('connected')
      const position = ++server.log.position
      server.log.append(['bob'], 'message', { ...message!, position }, position)
      t.match(await again.first('unreadable'), { position, error: { code: 'replayed-message' } })
      t.strictSame(again.texts(), [])
    }
  )

t.test('A page shows no message twice, whatever else is read in the middle of it', async (t) => {
  const { server, bob, talk, alice, user } = await scene(t, ['alice'])
  const others = []
  for (let at = 0; at < 17; at++) {
    const other = await puppetTalk(server, 'group', [[alice.user, 'admin'], [user]], alice)
    await other.say(alice, 'hello', 1)
    others.push(other)
  }
  const message = await talk.say(alice, 'pay', 1)
  await talk.say(alice, 'end', 2)
  talk.conversation.messages.push({ ...message, position: ++server.log.position })
  const read: string[] = []
  for await (const item of bob.history(talk.id, { after: 0 })) {
    read.push(inShort(item))
    if (inShort(item) === 'end') for (const other of others) await told(bob, other.id)
  }
  t.strictSame(read, ['pay', 'end', 'replayed-message'])
})

t.test(
  'The last of several titles of one device counts, not the one that the server puts last',
  async (t) => {
    for (const isBackward of [true, false]) {
      const { server, bob, store, talk, alice, carol } = await scene(t, ['alice', 'carol'])
      const at = (server.log.position += 10)
      await talk.say(alice, { type: 'title', text: 'later' }, 2, { position: at + 1, isStreamed: false })
      if (!isBackward)
        await talk.say(carol, { type: 'title', text: 'between' }, 1, { position: at + 2, isStreamed: false })
      await talk.say(alice, { type: 'title', text: 'earlier' }, 1, { position: at + 3, isStreamed: false })
      const titles = async (chat: typeof bob, after?: number) => {
        await all(chat.history(talk.id, after === undefined ? {} : { after }))
        return [(await chat.conversations.get(talk.id)).title, (await chat.conversations.list())[0]!.title]
      }
      const title = isBackward ? 'later' : 'between'
      t.strictSame(await titles(bob, isBackward ? undefined : 0), [title, title])
      await bob.close()
      const again = await fakeClient(t, server, { store })
      t.strictSame(await titles(again, at + 2), [title, title])
    }
  }
)

t.test('Messages in another order than they were sent are reported', async (t) => {
  const at = await three()
  const [one, two, last] = at.messages
  const swapped = [one!, { ...last!, position: two!.position }, { ...two!, position: last!.position }]
  t.strictSame(await served(at, swapped), ['one', 'withheld 2–2', 'three', 'reordered', 'two'])
  const { code } = await failure(served(at, [last!, two!, one!]))
  t.equal(code, 'reordered-history')
})

t.test('A message that was changed, renamed, or put under another sender is refused', async (t) => {
  const at = await three()
  const { deviceId } = at.bob.account!
  const lies: [change: (message: Message) => object, code: string][] = [
    [({ ciphertext }) => ({ ciphertext: `AAAA${ciphertext.slice(4)}` }), 'bad-signature'],
    [({ iv }) => ({ iv: `AAAA${iv.slice(4)}` }), 'bad-signature'],
    [() => ({ id: randomUUID() }), 'bad-signature'],
    [({ sender }) => ({ sender: { ...sender, deviceId } }), 'ghost-sender'],
    [({ sender }) => ({ sender: { ...sender, deviceId: randomUUID() } }), 'ghost-sender'],
    [({ sender }) => ({ sender: { ...sender, username: 'bob' } }), 'ghost-sender'],
    [({ sender }) => ({ sender: { ...sender, deviceId, username: 'bob' } }), 'bad-signature'],
    [
      ({ sender }) => ({ sender: { ...sender, deviceId: at.carol.device.id, username: 'carol' } }),
      'bad-signature'
    ]
  ]
  for (const [change, code] of lies) {
    const [one, ...others] = at.messages
    const [first] = await served(at, [{ ...one!, ...change(one!) }, ...others])
    t.equal(first, code)
  }
})

t.test('A message that was moved, to another conversation or session key, is refused', async (t) => {
  const at = await three()
  const members = [[at.alice.user, 'admin'] as const, [at.user] as const, [at.carol.user] as const]
  const talk = await puppetTalk(at.server, 'group', members, at.alice)
  await talk.say(at.alice, 'elsewhere', 1)
  const [one] = at.messages
  const [there] = talk.conversation.messages
  const moved = (change: Partial<Message>) =>
    served({ bob: at.bob, talk }, [{ ...one!, position: there!.position, ...change }])
  t.equal((await failure(moved({}))).code, 'reordered-history', 'it names its own conversation')
  const { key, sessionKeyId } = there!
  t.strictSame(await moved({ conversationId: talk.id }), ['bad-signature'], 'its key is of another chain')
  t.strictSame(await moved({ conversationId: talk.id, key, sessionKeyId }), ['bad-signature'])
  const other = await at.talk.change([], at.alice.device)
  const under = { key: other.hash, sessionKeyId: other.secret.id }
  t.strictSame(await served(at, [{ ...one!, ...under }]), ['bad-signature'])
  t.strictSame(await served(at, [{ ...one!, sessionKeyId: under.sessionKeyId }]), ['other-session-key'])
})

t.test('A receipt for another message than was sent is not taken', async (t) => {
  const { server, bob, talk } = await scene(t, ['alice'])
  server.lies.push(async ({ method, path, honest }) => {
    if (method !== 'POST' || !path.endsWith('/messages')) return undefined
    return { ...((await (await honest()).json()) as object), id: randomUUID() }
  })
  t.match(await failure(bob.send(talk.id, 'sent?')), { kind: 'untrusted', code: 'other-answer' })
  server.lies.length = 0
  t.equal((await bob.flush()).length, 1, 'it waits until the server owns up to it')
  t.equal(talk.conversation.messages.length, 1, 'and was stored once')
})

t.test('A message that the server says it has stored, and has not, is missed by everybody', async (t) => {
  const { server, bob, talk, alice } = await scene(t, ['alice'])
  await bob.send(talk.id, 'one')
  const position = ++server.log.position
  server.lies.push(({ method, path, body }) => {
    if (method !== 'POST' || !path.endsWith('/messages')) return undefined
    return { id: body.id as string, position, createdAt: '2026-01-31T12:00:00.000Z' }
  })
  t.match(await bob.send(talk.id, 'two'), { position })
  server.lies.length = 0
  await talk.say(alice, 'and?', 1)
  await bob.send(talk.id, 'three')
  t.strictSame(await told(bob, talk.id), ['one', 'and?', 'withheld 2–2', 'three'])
})
