import t from 'tap'
import type { ActiveSession } from '../../../src/server/access/sessions.js'
import type { Entry } from '../../../src/server/log/entry.js'
import type { OpenStream } from '../../../src/server/streaming/open-stream.js'
import { conversation, sessionId, user } from '../../support/people.js'
import { startChat } from '../../support/start-chat.js'
import { expect } from '../../support/interop/http.js'

const chat = await startChat(t)
const { hub, log, sessions } = chat.services
const alice = await user(t, chat, 'alice')
const bob = await user(t, chat, 'bob')
const id = await conversation(alice, [bob])
const ofAlice = (await sessions.find(sessionId(alice)))!
const ofBob = (await sessions.find(sessionId(bob)))!

/** A stream that keeps what it gets, and has everything up to the end of the log. */
async function opened(session: ActiveSession, onAnnounce: () => void = () => undefined) {
  const { body } = expect(await alice.send(id, 'a message'), 201)
  const delivered: Entry[] = []
  const announced: string[] = []
  const stream: OpenStream & { delivered: Entry[]; announced: string[] } = {
    session,
    network: '127.0.0.1',
    through: body.position,
    delivered,
    announced,
    deliver: (entries) => delivered.push(...entries),
    announce(frames) {
      announced.push(frames)
      onAnnounce()
    },
    tick: () => undefined,
    end: () => undefined
  }
  hub.add(stream)
  return stream
}

t.test('A stream that reads pages gets nothing; one that has subscribed gets what comes after', async (t) => {
  const first = await opened(ofBob)
  const second = await opened(ofBob)
  t.strictSame(hub.subscribe(second, [id]), [])
  const missed = hub.subscribe(first, [id])
  t.strictSame(
    missed!.map(({ position }) => position),
    [second.through],
    'the message that was sent between the two'
  )
  expect(await alice.send(id, 'to both'), 201)
  hub.unsubscribe(first)
  expect(await alice.send(id, 'to one'), 201)
  t.strictSame([first.delivered.length, second.delivered.length], [1, 2])
  t.strictSame(hub.usersIn([id]), new Set([bob.userId]))
  for (const stream of [first, second]) hub.remove(stream)
  t.strictSame([hub.count, hub.usersIn([id]).size], [0, 0], 'nothing is left of those that have gone')
})

t.test('A user who is removed from a conversation while every stream lags gets no more of it', async (t) => {
  const group = await conversation(alice, [bob])
  const stream = await opened(ofBob)
  t.strictSame(hub.subscribe(stream, [id, group]), [])
  hub.unsubscribe(stream)
  expect(await alice.removeMember(group, 'bob'), 201)
  const { through } = log.since(bob.userId, stream.through, [id, group])!
  stream.through = through
  t.strictSame(hub.subscribe(stream, [id]), [])
  expect(await alice.send(group, 'not for bob'), 201)
  expect(await alice.send(id, 'for bob'), 201)
  t.strictSame(
    stream.delivered.map(({ conversationId }) => conversationId),
    [id]
  )
  t.equal(hub.usersIn([group]).size, 0)
  hub.remove(stream)
})

/** How a user leaves or joins a group, and which events are due to a stream that is behind: 1 is the message before. */
const turns = {
  'is removed': { isMember: true, change: (group: string) => alice.removeMember(group, 'bob'), due: [1, 2] },
  'is added': { isMember: false, change: (group: string) => alice.addMember(group, 'bob'), due: [2] }
}
for (const [what, { isMember, change, due }] of Object.entries(turns))
  t.test(`A stream misses nothing if another one knows already that its user ${what}`, async (t) => {
    const group = await conversation(alice, isMember ? [bob] : [])
    const [before, after] = isMember ? [[id, group], [id]] : [[id], [id, group]]
    const [first, second] = [await opened(ofBob), await opened(ofBob)]
    const head = second.through
    // As the database said it, to which another process has written.
    first.through = head + 2
    t.strictSame(hub.subscribe(first, after), [])
    t.strictSame(hub.subscribe(second, before), [])
    expect(await alice.send(group, 'before the change'), 201)
    expect(await change(group), 201)
    const positions = (of: typeof first) => of.delivered.map(({ position }) => position - head)
    t.strictSame([positions(first), positions(second)], [[], due])
    expect(await alice.send(group, 'after the change'), 201)
    const more = isMember ? [] : [3]
    t.strictSame([positions(first), positions(second)], [more, [...due, ...more]])
    for (const stream of [first, second]) hub.remove(stream)
    t.equal(hub.usersIn([id, group]).size, 0)
  })

t.test('Streams may be removed while frames are written to others', async (t) => {
  const streams: Awaited<ReturnType<typeof opened>>[] = []
  const leave = () => {
    for (const stream of streams) hub.remove(stream)
  }
  for (let i = 0; i < 3; i++) streams.push(await opened(ofAlice, leave))
  t.equal(hub.count, 3)
  hub.announce(ofAlice.userId, 'a frame')
  t.strictSame(
    streams.map(({ announced }) => announced),
    [['a frame'], ['a frame'], ['a frame']]
  )
})

t.test('A user is online from the first stream that opens to the last that closes', async (t) => {
  const told: [userId: string, online: boolean][] = []
  hub.onPresence((...change) => told.push(change))
  const [first, second] = [await opened(ofAlice), await opened(ofAlice)]
  hub.remove(first)
  hub.remove(first)
  t.strictSame(told, [[alice.userId, true]], 'to remove a stream twice is harmless')
  hub.remove(second)
  t.strictSame(told, [
    [alice.userId, true],
    [alice.userId, false]
  ])
})

t.test('A stream that is added after its session has ended is ended', async (t) => {
  const stale = (await sessions.find(sessionId(alice)))!
  expect(await alice.logout(), 204)
  t.notOk(sessions.isCurrent(stale))
  const reason = await new Promise<string>((resolve) => {
    const stream: OpenStream = {
      session: stale,
      network: '127.0.0.1',
      through: 0,
      deliver: () => undefined,
      announce: () => undefined,
      tick: () => undefined,
      end(why) {
        hub.remove(stream)
        resolve(why)
      }
    }
    hub.add(stream)
  })
  t.equal(reason, 'revoked')
})
