import t, { type Test } from 'tap'
import type { ChatEvent } from '../../../src/client/types/events.js'
import type { Message } from '../../../src/protocol/messages.js'
import { inShort, outcome, scene, told, twoReaders, type Scene } from '../../support/malicious-server.js'
import type { Incoming } from '../../../src/client/types/messages.js'
import type { Speaker } from '../../support/puppet-talk.js'
import { shortenWaits } from '../../support/short-waits.js'
import { fakeClient } from '../../support/fake-clients.js'
import { skipTo } from '../../../src/client/stores/read-range.js'
import { all, listening } from '../../support/chat-clients.js'

const isGap = ({ type }: Pick<ChatEvent, 'type'>) => type === 'withheld'

t.test('However many messages of a device are deleted, none is missed', async (t) => {
  const { server, bob, talk, alice, listen } = await scene(t, ['alice'])
  const first = await listen()
  await talk.say(alice, 'first', 1)
  await first.message('first')
  await first.stop()
  const deleted = 1200
  const message = await talk.say(alice, 'deleted', 2)
  talk.conversation.messages.pop()
  for (let n = 0; n < deleted; n++)
    talk.purge({ ...message, id: crypto.randomUUID(), position: server.log.append(['bob'], 'message', {}) })
  server.log.events.splice(
    server.log.events.findIndex(({ position }) => position === message.position),
    1
  )
  await talk.say(alice, 'last', deleted + 2)
  const heard = await listen()
  await heard.message('last')
  t.notOk(heard.heard.some(isGap))
  await talk.say(alice, 'behind another', deleted + 4)
  await heard.message('behind another')
  t.strictSame(heard.heard.filter(isGap).map(inShort), [`withheld ${deleted + 3}–${deleted + 3}`])
  t.ok(await bob.conversations.get(talk.id))
})

t.test('A number that was given up late leaves one gap in the history, at most', async (t) => {
  const { bob, talk, alice } = await scene(t, ['alice'])
  for (const n of [1, 2, 4]) await talk.say(alice, String(n), n)
  const five = await talk.say(alice, '5', 5)
  await talk.say(alice, { type: 'void' }, 3)
  for (const n of [6, 8]) await talk.say(alice, String(n), n)
  talk.purge(five)
  const oldestFirst = await told(bob, talk.id)
  // Read in this order, nobody knows yet that the number was given up.
  t.strictSame(
    oldestFirst.filter((one) => one.startsWith('withheld')),
    ['withheld 3–3', 'withheld 7–7']
  )
  const newestFirst = (await all(bob.history(talk.id))).map(inShort)
  t.strictSame(
    newestFirst.filter((one) => one.startsWith('withheld')),
    ['withheld 7–7']
  )
})

t.test('A tombstone in front of a message fills no gap behind it', async (t) => {
  const { server, talk, alice, listen } = await scene(t, ['alice'])
  const heard = await listen()
  const one = await talk.say(alice, 'one', 1)
  const { sender, key } = one
  const position = ++server.log.position
  const message = { id: crypto.randomUUID(), position, sender, key, deletedAt: one.createdAt }
  server.log.append(['bob'], 'message.deleted', { conversationId: talk.id, position, message }, position)
  await talk.say(alice, 'two', 2)
  await talk.say(alice, 'four', 4)
  await heard.message('four')
  t.strictSame(heard.heard.filter(isGap).map(inShort), ['withheld 3–3'])
})

/** A tombstone stands in the time before Bob's stream. */
async function deletedBefore(t: Test) {
  const at = await scene(t, ['alice'])
  const { server, store, bob, talk, alice } = at
  await bob.conversations.get(talk.id)
  await talk.say(alice, 'one', 1, { isStreamed: false })
  const { sender, key, createdAt: deletedAt } = await talk.say(alice, 'two', 2, { isStreamed: false })
  const position = ++server.log.position
  talk.conversation.deleted = [{ id: crypto.randomUUID(), position, sender, key, deletedAt }]
  await store.update((tx) => skipTo(tx, `aaaaaaaa-${++server.log.position}`))
  return at
}

t.test('A tombstone of the time before the stream is shown when it may fill a gap', async (t) => {
  const { talk, alice, listen } = await deletedBefore(t)
  const heard = await listen()
  await talk.say(alice, 'four', 4)
  await heard.message('four')
  t.strictSame(heard.heard.map(inShort), ['connected', 'message-deleted', 'four'])
})

t.test('A tombstone of the time before the stream comes again, if its reader was interrupted', async (t) => {
  const { server, bob, store, talk, alice } = await deletedBefore(t)
  let hasSaid = false
  for await (const event of bob.events()) {
    if (!hasSaid) await talk.say(alice, 'four', 4)
    hasSaid = true
    if (event.type === 'message-deleted') break
  }
  await bob.close()
  const heard = await listening(t, await fakeClient(t, server, { store }))
  await heard.message('four')
  t.strictSame(heard.heard.map(inShort), ['connected', 'message-deleted', 'four'])
})

t.test('A tombstone that another log brings again fills no gap behind what was read since', async (t) => {
  const { server, talk, alice, listen } = await scene(t, ['alice'])
  const heard = await listen()
  const { sender, key, createdAt: deletedAt } = await talk.say(alice, 'one', 1)
  const position = ++server.log.position
  const message = { id: crypto.randomUUID(), position, sender, key, deletedAt }
  server.log.append(['bob'], 'message.deleted', { conversationId: talk.id, position, message }, position)
  await talk.say(alice, 'three', 3)
  await heard.message('three')
  server.log.events.splice(
    0,
    Infinity,
    server.log.events.find((event) => event.position === position)!
  )
  server.log.restore(server.log.position)
  await heard.first('reset')
  await talk.say(alice, 'five', 5)
  await heard.message('five')
  const again = heard.heard.slice(heard.heard.findIndex(({ type }) => type === 'reset'))
  t.ok(again.some(({ type }) => type === 'message-deleted'))
  t.strictSame(again.filter(isGap).map(inShort), ['withheld 4–4'])
})

t.test('A tombstone of a message that was read fills no gap in the stream', async (t) => {
  const { bob, talk, alice, listen } = await scene(t, ['alice'])
  await talk.say(alice, 'one', 1)
  const two = await talk.say(alice, 'two', 2)
  t.strictSame(await told(bob, talk.id), ['one', 'two'])
  talk.purge(two)
  await talk.say(alice, 'four', 4)
  const heard = await listen()
  await heard.message('four')
  t.strictSame(heard.heard.filter(isGap).map(inShort), ['withheld 3–3'])
})

t.test('However many numbers a device gives up, a history misses none', async (t) => {
  const { bob, talk, alice } = await scene(t, ['alice'])
  await talk.say(alice, 'first', 1, { isStreamed: false })
  for (let n = 2; n <= 1100; n++) await talk.say(alice, { type: 'void' }, n, { isStreamed: false })
  await talk.say(alice, 'last', 1101, { isStreamed: false })
  const told = (await all(bob.history(talk.id))).filter(isGap).map(inShort)
  t.strictSame(told, [])
})

t.test('A number that was given up late, behind a deleted message, opens no gap', async (t) => {
  const { bob, talk, alice, listen } = await scene(t, ['alice'])
  await talk.say(alice, '1', 1)
  talk.purge(await talk.say(alice, '3', 3))
  await talk.say(alice, { type: 'void' }, 2)
  await talk.say(alice, '4', 4)
  const heard = await listen()
  await heard.message('4')
  t.notOk(heard.heard.some(isGap))
  t.strictSame(
    (await told(bob, talk.id)).filter((one) => one.startsWith('withheld')),
    []
  )
  t.strictSame((await all(bob.history(talk.id))).filter(isGap), [])
})

t.test('A number that was given up late, behind a gap, takes no tombstone of one behind it', async (t) => {
  const { bob, talk, alice, listen } = await scene(t, ['alice'])
  await talk.say(alice, '1', 1)
  for (const n of [3, 5]) talk.purge(await talk.say(alice, String(n), n))
  for (const n of [2, 4]) await talk.say(alice, { type: 'void' }, n)
  await talk.say(alice, '6', 6)
  const heard = await listen()
  await heard.message('6')
  t.notOk(heard.heard.some(isGap))
  t.strictSame(
    (await told(bob, talk.id)).filter((one) => one.startsWith('withheld')),
    []
  )
  t.strictSame((await all(bob.history(talk.id))).filter(isGap), [])
  await talk.say(alice, '8', 8)
  await heard.message('8')
  t.strictSame(heard.heard.filter(isGap).map(inShort), ['withheld 7–7'])
})

for (const from of ['the stream', 'the history'])
  t.test(`A number that was given up late is no message in another order, from ${from}`, async (t) => {
    const { bob, talk, alice, listen } = await scene(t, ['alice'])
    for (const n of [1, 3]) await talk.say(alice, String(n), n)
    await talk.say(alice, { type: 'void' }, 2)
    await talk.say(alice, '4', 4)
    const read: (ChatEvent | Incoming)[] = []
    if (from === 'the stream') {
      const heard = await listen()
      await heard.message('4')
      read.push(...heard.heard)
    } else read.push(...(await all(bob.history(talk.id))))
    t.notOk(read.some((item) => item.type === 'reordered' || (item.type === 'message' && item.late)))
    for (const n of [6, 5]) await talk.say(alice, String(n), n, { isStreamed: false })
    t.ok((await told(bob, talk.id)).includes('reordered'), 'others are')
  })

/** The stream brings a tombstone in the place of another message of the same sender and key. */
function leaveTombstone({ server, talk }: Scene, { sender, key, createdAt: deletedAt }: Message) {
  const position = ++server.log.position
  const message = { id: crypto.randomUUID(), position, sender, key, deletedAt }
  server.log.append(['bob'], 'message.deleted', { conversationId: talk.id, position, message }, position)
  return message
}

/** Two clients of one store. The second one has stopped at the message `busy`, number 1; a tombstone stands behind it. */
async function beforeTombstone(owner: Test, at: Scene & { alice: Speaker }): ReturnType<typeof twoReaders> {
  const readers = await twoReaders(owner, at)
  const busy = await at.talk.say(at.alice, 'busy', 1)
  await readers.second.message('busy')
  leaveTombstone(at, busy)
  return readers
}

t.test('A tombstone that two clients of a store have read fills one gap', async (t) => {
  const at = await scene(t, ['alice'])
  const { talk, alice } = at
  const { first, second, goOn } = await beforeTombstone(t, at)
  await talk.say(alice, 'three', 3)
  await first.message('three')
  goOn()
  await second.message('three')
  await talk.say(alice, 'five', 5)
  await first.message('five')
  t.strictSame(first.heard.filter(isGap).map(inShort), ['withheld 4–4'])
})

t.test('Each client of a store tells of a gap in the stream, also one that is behind', async (t) => {
  const at = await scene(t, ['alice'])
  const { talk, alice } = at
  const { first, second, goOn } = await twoReaders(t, at)
  await talk.say(alice, 'busy', 1)
  await second.message('busy')
  await talk.say(alice, 'three', 3)
  await first.message('three')
  talk.purge(await talk.say(alice, 'four', 4))
  await talk.say(alice, 'five', 5)
  await first.message('five')
  goOn()
  await second.message('five')
  for (const { heard } of [first, second]) t.strictSame(heard.filter(isGap).map(inShort), ['withheld 2–2'])
})

t.test(
  'A message that the server moves to the time before the stream is shown where it is missed',
  async (t) => {
    const { server, store, bob, talk, alice, listen } = await scene(t, ['alice'])
    await bob.conversations.get(talk.id)
    const place = (server.log.position += 5)
    await store.update((tx) => skipTo(tx, `aaaaaaaa-${++server.log.position}`))
    const heard = await listen()
    await talk.say(alice, 'one', 1)
    await heard.message('one')
    await talk.say(alice, 'two', 2, { position: place, isStreamed: false })
    await talk.say(alice, 'three', 3)
    await heard.message('three')
    t.strictSame(heard.heard.map(inShort), ['connected', 'one', 'reordered', 'two', 'three'])
  }
)

t.test(
  'A tombstone in front of a number that was given up fills one gap, for all clients of a store',
  async (t) => {
    const at = await scene(t, ['alice'])
    const { talk, alice } = at
    const { first, second, goOn } = await beforeTombstone(t, at)
    await talk.say(alice, { type: 'void' }, 3)
    const isVoid = (event: { content: { type: string } }) => event.content.type === 'void'
    await first.first('message', isVoid)
    goOn()
    await second.first('message', isVoid)
    await talk.say(alice, 'five', 5)
    await first.message('five')
    t.strictSame(first.heard.filter(isGap).map(inShort), ['withheld 4–4'])
  }
)

t.test(
  'A number that was given up takes no tombstone for those that were read before the stream',
  async (t) => {
    const { server, bob, store, talk, alice, listen } = await scene(t, ['alice'])
    await bob.conversations.get(talk.id)
    for (const n of [1, 2]) await talk.say(alice, String(n), n, { isStreamed: false })
    await store.update((tx) => skipTo(tx, `aaaaaaaa-${++server.log.position}`))
    talk.purge(await talk.say(alice, '4', 4))
    await talk.say(alice, { type: 'void' }, 3)
    await talk.say(alice, '5', 5)
    const heard = await listen()
    await heard.message('5')
    t.strictSame(heard.heard.filter(isGap), [])
  }
)

t.test(
  'A message that was moved before the stream is shown, although reading there fails first',
  async (t) => {
    const { server, store, bob, talk, alice, listen } = await scene(t, ['alice'])
    await bob.conversations.get(talk.id)
    const place = (server.log.position += 5)
    await store.update((tx) => skipTo(tx, `aaaaaaaa-${++server.log.position}`))
    const heard = await listen()
    await talk.say(alice, 'one', 1)
    await heard.message('one')
    await talk.say(alice, 'two', 2, { position: place, isStreamed: false })
    shortenWaits(t)
    let failures = 0
    server.lies.push(async ({ path, query, honest }) => {
      if (failures === 5 || !path.endsWith('/messages')) return undefined
      if (!query.has('cursor')) return { ...((await (await honest()).json()) as object), next: 'more' }
      failures++
      throw new TypeError('fetch failed')
    })
    await talk.say(alice, 'three', 3)
    await heard.message('three')
    t.strictSame(heard.heard.map(inShort).slice(-3), ['reordered', 'two', 'three'])
  }
)

t.test('A tombstone in front of a message that only the history has brought fills its gap', async (t) => {
  const { bob, talk, alice, listen } = await scene(t, ['alice'])
  await talk.say(alice, '1', 1)
  talk.purge(await talk.say(alice, '2', 2))
  const three = await talk.say(alice, '3', 3)
  t.strictSame(await told(bob, talk.id), ['1', 'message-deleted', '3'])
  talk.purge(three)
  await talk.say(alice, '4', 4)
  const heard = await listen()
  await heard.message('4')
  t.notOk(heard.heard.some(isGap))
})

t.test('A number that was given up uses up those tombstones that fill its gap', async (t) => {
  const at = await scene(t, ['alice'])
  const { bob, talk, alice, listen } = at
  await talk.say(alice, '1', 1)
  const two = await talk.say(alice, '2', 2)
  t.strictSame(await told(bob, talk.id), ['1', '2'])
  talk.purge(two)
  const heard = await listen()
  leaveTombstone(at, two)
  await talk.say(alice, { type: 'void' }, 4)
  await talk.say(alice, '6', 6)
  await heard.message('6')
  t.strictSame(heard.heard.filter(isGap).map(inShort), ['withheld 5–5'])
})

t.test('A tombstone of the time before the stream fills no gap of another sender', async (t) => {
  const { server, store, bob, talk, alice, carol, listen } = await scene(t, ['alice', 'carol'])
  await bob.conversations.get(talk.id)
  await talk.say(alice, '1', 1, { isStreamed: false })
  talk.purge(await talk.say(carol, 'hello', 1, { isStreamed: false }))
  await store.update((tx) => skipTo(tx, `aaaaaaaa-${++server.log.position}`))
  const heard = await listen()
  await talk.say(alice, '3', 3)
  await heard.message('3')
  t.strictSame(heard.heard.map(inShort), ['connected', 'message-deleted', 'withheld 2–2', '3'])
})

t.test('A tombstone that was used up in the stream fills no gap as one of the time before it', async (t) => {
  const at = await scene(t, ['alice'])
  const { server, talk, alice, listen } = at
  const heard = await listen()
  talk.conversation.deleted = [leaveTombstone(at, await talk.say(alice, '1', 1))]
  await talk.say(alice, { type: 'void' }, 3)
  await heard.first('message', (event) => event.content.type === 'void')
  const position = server.log.position + 10
  server.log.send('bob', `event: reset\ndata: ${JSON.stringify({ position })}\n\n`)
  await heard.first('reset')
  server.log.position = position
  await talk.say(alice, '5', 5)
  await heard.message('5')
  t.strictSame(heard.heard.filter(isGap).map(inShort), ['withheld 4–4'])
})

t.test('Each client of a store shows what stands in the time before the stream', async (t) => {
  const at = await scene(t, ['alice'])
  const { server, store, bob, talk, alice } = at
  await bob.conversations.get(talk.id)
  const place = (server.log.position += 5)
  await store.update((tx) => skipTo(tx, `aaaaaaaa-${++server.log.position}`))
  const { first, second, goOn } = await twoReaders(t, at)
  const { sender, key, createdAt: deletedAt } = await talk.say(alice, 'busy', 1)
  await second.message('busy')
  talk.conversation.deleted = [{ id: crypto.randomUUID(), position: place - 1, sender, key, deletedAt }]
  await talk.say(alice, 'two', 2, { position: place, isStreamed: false })
  await talk.say(alice, 'four', 4)
  await first.message('four')
  goOn()
  await second.message('four')
  for (const { heard } of [first, second])
    t.strictSame(heard.slice(-5).map(inShort), [
      'message-deleted',
      'reordered',
      'two',
      'withheld 3–3',
      'four'
    ])
})

for (const place of ['behind it', 'in its place'])
  t.test(`A tombstone of a message that is shown fills no gap in the history, ${place}`, async (t) => {
    const { server, bob, talk, alice } = await scene(t, ['alice'])
    const { id, position: own, sender, key, createdAt: deletedAt } = await talk.say(alice, '1', 1)
    const position = place === 'behind it' ? ++server.log.position : own
    await talk.say(alice, '3', 3)
    talk.conversation.deleted = [{ id, position, sender, key, deletedAt }]
    if (place === 'in its place') {
      t.equal(await outcome(told(bob, talk.id)), 'reordered-history')
      return
    }
    t.strictSame(await told(bob, talk.id), ['1', 'message-deleted', 'withheld 2–2', '3'])
    t.strictSame((await all(bob.history(talk.id))).filter(isGap).map(inShort), ['withheld 2–2'])
  })

t.test('Two clients of a store that read the time before the stream at once miss nothing', async (t) => {
  const at = await deletedBefore(t)
  const { server, talk, alice } = at
  const { first, second } = await twoReaders(t, at)
  let asked = 0
  server.lies.push(async ({ path }) => {
    if (path.endsWith('/messages') && ++asked === 2)
      await Promise.race([first.message('four'), second.message('four')])
    return undefined
  })
  await talk.say(alice, 'four', 4)
  for (const one of [first, second]) {
    await one.message('four')
    t.strictSame(one.heard.map(inShort), ['connected', 'message-deleted', 'four'])
  }
})

t.test('A client that is behind counts the tombstones in a gap that is smaller by then', async (t) => {
  const at = await scene(t, ['alice'])
  const { talk, alice } = at
  const { first, second, goOn } = await beforeTombstone(t, at)
  await talk.say(alice, 'four', 4)
  await talk.say(alice, { type: 'void' }, 3)
  await first.first('message', ({ content }) => content.type === 'void')
  goOn()
  await second.message('four')
  t.strictSame(first.heard.filter(isGap).map(inShort), ['withheld 2–3'])
  t.notOk(second.heard.some(isGap))
})

t.test('A tombstone that the server repeats in another place fills one gap', async (t) => {
  const at = await scene(t, ['alice'])
  const { server, bob, talk, alice, listen } = at
  const heard = await listen()
  const { id } = leaveTombstone(at, await talk.say(alice, '1', 1))
  await talk.say(alice, '3', 3)
  const { sender, key, createdAt: deletedAt } = await talk.say(alice, '4', 4)
  const position = ++server.log.position
  const message = { id, position, sender, key, deletedAt }
  server.log.append(['bob'], 'message.deleted', { conversationId: talk.id, position, message }, position)
  await talk.say(alice, '6', 6)
  await heard.message('6')
  t.strictSame(heard.heard.filter(isGap).map(inShort), ['withheld 5–5'])
  talk.conversation.deleted = [{ ...message, position: talk.conversation.messages[0]!.position + 1 }, message]
  for (const range of [{ after: 0 }, {}])
    t.equal((await all<Incoming>(bob.history(talk.id, range))).filter(isGap).length, 1)
})

t.test('A tombstone that was repeated before the stream fills one gap', async (t) => {
  const { server, talk, alice, listen } = await deletedBefore(t)
  const [first] = talk.conversation.deleted
  talk.conversation.deleted = [first!, { ...first!, position: first!.position + 1 }]
  server.log.position++
  const heard = await listen()
  await talk.say(alice, '5', 5)
  await heard.message('5')
  t.strictSame(heard.heard.filter(isGap).map(inShort), ['withheld 3–4'])
})

t.test('A new account reads what the log does not keep any longer before it tells of a gap', async (t) => {
  const { server, talk, alice, listen } = await scene(t, ['alice'])
  await talk.say(alice, '1', 1)
  talk.purge(await talk.say(alice, '2', 2))
  server.log.trim(server.log.position)
  await talk.say(alice, '3', 3)
  const heard = await listen()
  await talk.say(alice, '4', 4)
  await heard.message('4')
  t.strictSame(heard.heard.filter(isGap).map(inShort), [])
})
