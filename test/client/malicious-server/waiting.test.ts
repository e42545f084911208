import t, { type Test } from 'tap'
import type { Message } from '../../../src/protocol/messages.js'
import { failure, Listener, PASSWORD } from '../../support/chat-clients.js'
import { problem } from '../../support/fake-answers.js'
import { eventually } from '../../support/eventually.js'
import { fakeClient } from '../../support/fake-clients.js'
import { inShort, isWrap, scene, told, twoReaders } from '../../support/malicious-server.js'
import type { Speaker } from '../../support/puppet-talk.js'
import { MemoryStore } from '../../../src/client/stores/memory.js'
import { shortenWaits } from '../../support/short-waits.js'

shortenWaits(t)

/** Bob knows that Alice's laptop has gone, by the stream; the server hides the conversation's chain meanwhile. */
async function hiding(t: Test) {
  const at = await scene(t, ['carol', 'alice'])
  const { server, bob, talk, alice, carol } = at
  await bob.send(talk.id, 'hello')
  const heard = await at.listen()
  const laptop: Speaker = { user: alice.user, device: alice.device }
  const tablet = await alice.add()
  const phone = await alice.add()
  server.announce(alice.user)
  await talk.change([], carol.device)
  await talk.say(carol, 'before', 1)
  await heard.message('before')
  const place = server.log.position + 1
  server.log.position += 5
  const hidden = { is: true }
  server.lies.push(({ path, username }) =>
    hidden.is && username === 'bob' && path === `/v1/conversations/${talk.id}/chain`
      ? problem('conversation-not-found')
      : undefined
  )
  /** The stream begins again with a message at the old place; later it brings its key. */
  const show = async (message: object) => {
    server.log.send(
      'bob',
      `event: reset\ndata: {"position":1}\n\nid: aaaaaaaa-${place}\nevent: message\ndata: ${JSON.stringify(message)}\n\n`
    )
    await heard.first('unreadable', ({ position }) => position === place)
    hidden.is = false
  }
  const give = (key: typeof talk.key) => {
    const data = { conversationId: talk.id, deviceIds: [bob.account!.deviceId] }
    const sessionKeyId = key.request.key.id
    server.log.append(['bob'], 'session-key.shared', { ...data, sessionKeyId })
  }
  return { ...at, heard, laptop, tablet, phone, place, show, give }
}

t.test('A message that could not be judged waits for no key', async (t) => {
  const at = await hiding(t)
  const { server, bob, talk, alice, carol, laptop, tablet, phone, place, heard, show, give } = at
  const key = talk.key
  // The stream brings the second revocation only: a look is needed, and answered with "not found".
  await alice.revoke(tablet.id, phone)
  await alice.revoke(laptop.device.id, phone)
  server.announce(alice.user)
  await heard.first('device-changed', ({ deviceId }) => deviceId === laptop.device.id)
  await show(await talk.say(laptop, 'signed later', 1, { key, position: place, isStreamed: false }))
  await talk.change([], carol.device)
  await talk.say(carol, 'after', 1)
  await heard.message('after')
  give(key)
  await talk.say(carol, 'end', 2)
  await heard.message('end')
  t.notOk(heard.texts().includes('signed later'))
  t.ok((await told(bob, talk.id)).includes('after-revocation'))
})

t.test('A message under a key that the chain lacks waits for nothing', async (t) => {
  const at = await hiding(t)
  const { server, bob, user, talk, alice, carol, laptop, phone, place, heard, show, give } = at
  const aliceBefore = await alice.user.fork(alice.user.statements.length)
  await alice.revoke(laptop.device.id, phone)
  server.announce(alice.user)
  await heard.first('device-changed', ({ deviceId }) => deviceId === laptop.device.id)
  // Carol has not heard of it.
  const key = await talk.sign([], carol.device, { members: [aliceBefore, carol.user, user] })
  await show(await talk.say(laptop, 'signed later', 1, { key, position: place, isStreamed: false }))
  await talk.show(key)
  talk.announce(key)
  talk.key = key
  await talk.say(carol, 'under it', 1)
  await heard.message('under it')
  give(key)
  await talk.say(carol, 'end', 2)
  await heard.message('end')
  t.notOk(heard.texts().includes('signed later'))
  t.ok((await told(bob, talk.id)).includes('after-revocation'))
})

interface Unread {
  /** What Alice says, as one, two … */
  texts?: string[]
  /** Those of them that an admin deletes before the phone reads them. */
  purged?: string[]
}

/** Bob's new phone reads no message of Alice yet: the server loses the key that the laptop passes on. */
async function withoutKey(t: Test, { texts = ['one', 'two'], purged = [] }: Unread = {}) {
  const at = await scene(t, ['alice'])
  const { server, bob, talk, alice } = at
  await bob.send(talk.id, 'hello')
  const phone = await fakeClient(t, server)
  const { deviceId } = await phone.login({ username: 'bob', password: PASSWORD })
  const number = await phone.linkNumber()
  const eaten = { is: true }
  server.lies.push((request) => {
    if (eaten.is && isWrap(request)) throw new TypeError('fetch failed')
    return undefined
  })
  await failure(bob.devices.approve(deviceId, { number }))
  await phone.confirmLink(number)
  await phone.waitForApproval()
  await phone.conversations.get(talk.id)
  await new Listener(t, phone).stop()
  const said = new Map<string, Message>()
  for (const [index, text] of texts.entries()) said.set(text, await talk.say(alice, text, index + 1))
  const purge = (text: string) => {
    talk.purge(said.get(text)!)
  }
  purged.forEach(purge)
  const heard = new Listener(t, phone)
  const unreadable = texts.length - purged.length
  await eventually(() => heard.heard.filter(({ type }) => type === 'unreadable').length === unreadable)
  const give = async () => {
    eaten.is = false
    await bob.flush()
    const data = { conversationId: talk.id, sessionKeyId: talk.key.request.key.id, deviceIds: [deviceId] }
    server.log.append(['bob'], 'session-key.shared', data)
  }
  return { ...at, phone, heard, purge, give }
}

t.test('Messages that waited for a key are not forgotten when the server leaves them out', async (t) => {
  const { server, talk, alice, heard, give } = await withoutKey(t)
  const leavesOut = { is: true }
  server.lies.push(({ path, query }) =>
    leavesOut.is && path.endsWith('/messages') && query.get('after') !== null
      ? { items: [], next: null }
      : undefined
  )
  await give()
  await talk.say(alice, 'three', 3)
  await heard.message('three')
  leavesOut.is = false
  await give()
  await heard.message('two')
  t.strictSame(
    heard.texts().filter((text) => text !== 'three'),
    ['one', 'two']
  )
})

t.test('A message that waited for a key comes once, if its reader has handled it', async (t) => {
  const { phone, heard, give } = await withoutKey(t)
  await heard.stop()
  await give()
  const shown: string[] = []
  const readTo = async (last: string) => {
    for await (const event of phone.events()) {
      if (event.type === 'message') shown.push(inShort(event))
      if (event.type === 'message' && shown.at(-1) === last) break
    }
  }
  await readTo('two')
  await readTo('two')
  t.strictSame(shown, ['one', 'two', 'two'])
})

const deletions: Record<string, Unread> = {
  'deleted before it was read': { texts: ['one', 'two', 'three'], purged: ['two'] },
  'deleted after it was shown': { texts: ['one', 'two', 'three'] }
}
for (const [when, unread] of Object.entries(deletions))
  t.test(`A message among those that wait for a key is not missed, ${when}`, async (t) => {
    const { talk, alice, heard, purge, give } = await withoutKey(t, unread)
    if (unread.purged === undefined) purge('two')
    await give()
    await talk.say(alice, 'four', 4)
    await heard.message('four')
    t.strictSame(heard.texts(), ['one', 'three', 'four'])
    t.notOk(heard.heard.some(({ type }) => type === 'withheld'))
  })

t.test('A tombstone among messages that wait hides no other one', async (t) => {
  const { talk, alice, heard, purge, give } = await withoutKey(t, { texts: ['one', 'two', 'three'] })
  purge('two')
  await give()
  await talk.say(alice, 'five', 5)
  await heard.message('five')
  t.strictSame(heard.heard.filter(({ type }) => type === 'withheld').map(inShort), ['withheld 4–4'])
})

t.test(
  'Each client of a store shows what waited for a key, also one that is behind and interrupted',
  async (t) => {
    const at = await scene(t, ['carol', 'alice'])
    const { server, bob, talk, carol, alice } = at
    await bob.send(talk.id, 'hello')
    const { first, second, goOn } = await twoReaders(t, at)
    await talk.change([], carol.device)
    const { key } = talk.key.request
    const hidden = { is: true }
    server.lies.push(({ path, username }) => {
      const isKey = username === 'bob' && path.endsWith(`/session-keys/${key.id}`)
      return hidden.is && isKey ? problem('session-key-not-found') : undefined
    })
    for (const [index, text] of ['one', 'two'].entries()) await talk.say(carol, text, index + 1)
    await talk.change([], alice.device)
    await talk.say(alice, 'busy', 1)
    for (const listener of [first, second]) await listener.message('busy')

    hidden.is = false
    const data = { conversationId: talk.id, sessionKeyId: key.id, deviceIds: [bob.account!.deviceId] }
    server.log.append(['bob'], 'session-key.shared', data)
    await talk.say(alice, 'end', 2)
    await first.message('end')
    // Its stream ends in the middle, after the retries of one call.
    let failures = 0
    server.lies.push(({ path, query }) => {
      if (failures === 8 || !path.endsWith('/messages') || !query.has('after')) return undefined
      failures++
      throw new TypeError('fetch failed')
    })
    goOn()
    await second.message('end')
    for (const listener of [first, second])
      t.strictSame(listener.texts(), ['hello', 'busy', 'one', 'two', 'end'])
    t.equal(failures, 8)
  }
)

t.test('A new device begins where it became active, although its first look fails', async (t) => {
  const { server, bob, talk, alice } = await scene(t, ['alice'])
  await bob.send(talk.id, 'hello')
  const phone = await fakeClient(t, server)
  const { deviceId } = await phone.login({ username: 'bob', password: PASSWORD })
  const number = await phone.linkNumber()
  await bob.devices.approve(deviceId, { number })
  await phone.confirmLink(number)
  const fails = { is: true }
  server.lies.push(({ path }) => {
    if (fails.is && path === '/v1/events/page') throw new TypeError('fetch failed')
    return undefined
  })
  t.match(await failure(phone.waitForApproval()), { kind: 'unreachable' })
  fails.is = false
  await phone.waitForApproval()
  await talk.change([], alice.device)
  await talk.say(alice, 'one', 1)
  const heard = new Listener(t, phone)
  await heard.message('one')
})

t.test(
  'A second client of a store that waits for approval, too, moves the stream of the first nowhere',
  async (t) => {
    const { server, bob, talk, alice } = await scene(t, ['alice'])
    await bob.send(talk.id, 'hello')
    const store = new MemoryStore()
    const first = await fakeClient(t, server, { store })
    const { deviceId } = await first.login({ username: 'bob', password: PASSWORD })
    const number = await first.linkNumber()
    const second = await fakeClient(t, server, { store })
    await bob.devices.approve(deviceId, { number })
    await first.confirmLink(number)
    await first.waitForApproval()
    await first.conversations.get(talk.id)
    await talk.say(alice, 'in between', 1)
    await second.waitForApproval()
    const heard = new Listener(t, first)
    await heard.message('in between')
  }
)

for (const box of [
  () => new Response(null, { status: 204 }),
  () => new Response('{"portal":"log in"}', { headers: { 'content-type': 'application/json' } })
])
  t.test(`Keys count as passed on only if the server says so, not ${box().status} of a box`, async (t) => {
    const { server, bob, talk, alice } = await scene(t, ['alice'])
    await bob.send(talk.id, 'hello')
    await talk.say(alice, 'old', 1)
    await told(bob, talk.id)
    const phone = await fakeClient(t, server)
    const { deviceId } = await phone.login({ username: 'bob', password: PASSWORD })
    const number = await phone.linkNumber()
    const isBox = { is: true }
    server.lies.push((request) => (isBox.is && isWrap(request) ? box() : undefined))
    await bob.devices.approve(deviceId, { number }).catch(() => undefined)
    isBox.is = false
    await phone.confirmLink(number)
    await phone.waitForApproval()
    await bob.flush()
    t.ok((await told(phone, talk.id)).includes('old'))
  })

t.test('A tombstone in the place of a message that waits is shown', async (t) => {
  const { talk, alice, heard, give } = await withoutKey(t)
  const { id, position, sender, key, createdAt: deletedAt } = talk.conversation.messages.pop()!
  talk.conversation.deleted = [{ id, position, sender, key, deletedAt }]
  await give()
  await talk.say(alice, 'three', 3)
  await heard.message('three')
  t.notOk(heard.heard.some(({ type }) => type === 'withheld'))
  t.ok(heard.heard.some((event) => event.type === 'message-deleted' && event.id === id))
})

t.test('A tombstone beside a message that waits hides no other one unnoticed', async (t) => {
  const { talk, alice, heard, give } = await withoutKey(t)
  const { position, sender, key, createdAt: deletedAt } = talk.conversation.messages.at(-1)!
  talk.conversation.deleted = [{ id: crypto.randomUUID(), position, sender, key, deletedAt }]
  await give()
  await heard.message('two')
  await talk.say(alice, 'four', 4)
  await heard.message('four')
  t.strictSame(heard.heard.filter(({ type }) => type === 'withheld').map(inShort), ['withheld 3–3'])
})

t.test('A message that is deleted while it waits for its key is shown as deleted once', async (t) => {
  const { talk, alice, heard, purge, give } = await withoutKey(t, { texts: ['one', 'two', 'three'] })
  purge('two')
  await heard.first('message-deleted')
  await give()
  await talk.say(alice, 'four', 4)
  await heard.message('four')
  t.equal(heard.heard.filter(({ type }) => type === 'message-deleted').length, 1)
  t.notOk(heard.heard.some(({ type }) => type === 'withheld'))
  await talk.say(alice, 'six', 6)
  await heard.message('six')
  t.strictSame(heard.heard.filter(({ type }) => type === 'withheld').map(inShort), ['withheld 5–5'])
})

t.test('However many messages around one that waits for its key are deleted, none is missed', async (t) => {
  const { server, bob, talk, carol, alice, listen } = await scene(t, ['carol', 'alice'])
  const heard = await listen()
  await talk.change([], carol.device)
  const { key } = talk.key.request
  const hidden = { is: true }
  server.lies.push(({ path, username }) => {
    const isKey = username === 'bob' && path.endsWith(`/session-keys/${key.id}`)
    return hidden.is && isKey ? problem('session-key-not-found') : undefined
  })
  talk.purge(await talk.say(alice, 'one', 1))
  const { sender, key: hash, createdAt: deletedAt } = await talk.say(alice, 'two', 2)
  const behind = 150
  for (let at = 0; at < behind; at++) {
    const position = ++server.log.position
    const message = { id: crypto.randomUUID(), position, sender, key: hash, deletedAt }
    server.log.append(['bob'], 'message.deleted', { conversationId: talk.id, position, message }, position)
  }
  hidden.is = false
  const data = { conversationId: talk.id, sessionKeyId: key.id, deviceIds: [bob.account!.deviceId] }
  server.log.append(['bob'], 'session-key.shared', data)
  const next = 3 + behind
  await talk.say(alice, 'next', next)
  await heard.message('next')
  const withheld = () => heard.heard.filter(({ type }) => type === 'withheld').map(inShort)
  t.strictSame(heard.texts(), ['two', 'next'])
  t.strictSame(withheld(), [])
  await talk.say(alice, 'last', next + 2)
  await heard.message('last')
  t.strictSame(withheld(), [`withheld ${next + 1}–${next + 1}`])
})
