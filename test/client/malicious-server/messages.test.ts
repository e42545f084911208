import { randomUUID } from 'node:crypto'
import t from 'tap'
import { failure, Listener, textOf } from '../../support/chat-clients.js'
import { inShort, isHistory, maliciousServer, RecordingFetch, told } from '../../support/malicious-server.js'
import { expect, type Message } from '../../support/interop/http.js'
import type { Frame } from '../../support/tampering-proxy.js'

const { proxy, victim, user } = await maliciousServer(t)
const alice = await user('alice')
const bob = await victim('bob')
const carols = new Listener(t, await victim('carol'))
await carols.first('connected')

t.afterEach(() => proxy.tamper({}))

/** A conversation in which Alice has sent Bob and Carol three messages. */
async function three(): Promise<{ id: string; messages: Message[] }> {
  const { id, answer } = await alice.createConversation('group', ['bob', 'carol'])
  expect(answer, 201)
  for (const text of ['one', 'two', 'three']) expect(await alice.send(id, text), 201)
  return { id, messages: await alice.history(id) }
}

/** Bob's history when the server serves these messages. */
async function served(id: string, change: (items: Message[]) => Message[]): Promise<string[]> {
  proxy.tamper({
    answer(answer) {
      if (isHistory(answer)) answer.body.items = change(answer.body.items as Message[])
    }
  })
  return told(bob, id)
}

/** Carol's events from now on until the message `last`, while the server changes the frames. */
async function streamed(last: string, frame: (frame: Frame) => Frame[], act: () => Promise<unknown>) {
  const before = carols.heard.length
  proxy.tamper({ frame })
  await act()
  await carols.first('message', (event) => textOf(event) === last && carols.heard.indexOf(event) >= before)
  return carols.heard.slice(before).map(inShort)
}

t.test('A message that is withheld leaves a gap', async (t) => {
  const { id } = await three()
  t.strictSame(await served(id, ([one, , last]) => [one!, last!]), ['one', 'withheld 2–2', 'three'])
})

t.test('A message that is shown again, at another place or under another id, is refused', async (t) => {
  const { id } = await three()
  const again = (change: Partial<Message>) =>
    served(id, (items) => [...items, { ...items[0]!, position: items[2]!.position + 5, ...change }])
  t.strictSame(await again({}), ['one', 'two', 'three', 'replayed-message'])
  t.strictSame(await again({ id: randomUUID() }), ['one', 'two', 'three', 'bad-signature'])
})

t.test('Messages in another order than they were sent are reported', async (t) => {
  const { id } = await three()
  const swapped = await served(id, ([one, two, last]) => [
    one!,
    { ...last!, position: two!.position },
    { ...two!, position: last!.position }
  ])
  t.strictSame(swapped, ['one', 'withheld 2–2', 'three', 'reordered', 'two'])
  proxy.tamper({
    answer(answer) {
      if (isHistory(answer)) answer.body.items.reverse()
    }
  })
  t.match(await failure(told(bob, id)), { kind: 'untrusted', code: 'reordered-history' })
})

t.test('A message that was changed, renamed, or put under another sender is refused', async (t) => {
  const { id } = await three()
  const own = { deviceId: bob.account!.deviceId }
  const lies: [change: (message: Message) => object, code: string][] = [
    [({ ciphertext }) => ({ ciphertext: `AAAA${ciphertext.slice(4)}` }), 'bad-signature'],
    [() => ({ id: randomUUID() }), 'bad-signature'],
    [({ sender }) => ({ sender: { ...sender, ...own } }), 'ghost-device'],
    [({ sender }) => ({ sender: { ...sender, deviceId: randomUUID() } }), 'ghost-device'],
    [({ sender }) => ({ sender: { ...sender, username: 'bob' } }), 'ghost-device'],
    [({ sender }) => ({ sender: { ...sender, ...own, username: 'bob' } }), 'bad-signature']
  ]
  for (const [change, code] of lies) {
    const [first] = await served(id, ([one, ...others]) => [{ ...one!, ...change(one!) }, ...others])
    t.equal(first, code)
  }
})

t.test('A message that was moved, to another conversation or session key, is refused', async (t) => {
  const { id, messages } = await three()
  const other = await three()
  const keyOfOther = other.messages[0]!.sessionKeyId
  const moved = (change: Partial<Message>) =>
    served(other.id, ([one]) => [{ ...messages[0]!, position: one!.position, ...change }])
  t.match(await failure(moved({})), { code: 'reordered-history' }, 'it names its own conversation')
  t.strictSame(await moved({ conversationId: other.id }), ['no-session-key'])
  t.strictSame(await moved({ conversationId: other.id, sessionKeyId: keyOfOther }), ['bad-signature'])
  expect(await alice.newKey(id), 201)
  expect(await alice.send(id, 'four'), 201)
  const sessionKeyId = alice.currentKey.get(id)!
  t.strictSame(await served(id, ([one]) => [{ ...one!, sessionKeyId }]), ['bad-signature'])
})

t.test('In the stream, a message that is withheld leaves a gap', async (t) => {
  const { id } = await three()
  await carols.first('message', (event) => event.conversationId === id && textOf(event) === 'three')
  let messages = 0
  const drop = (frame: Frame) => (frame.event === 'message' && ++messages === 1 ? [] : [frame])
  const heard = await streamed('five', drop, async () => {
    expect(await alice.send(id, 'four'), 201)
    expect(await alice.send(id, 'five'), 201)
  })
  t.strictSame(heard, ['withheld 4–4', 'five'])
})

t.test('In the stream, a frame that is shown again is not shown as new', async (t) => {
  const { id } = await three()
  await carols.first('message', (event) => event.conversationId === id && textOf(event) === 'three')
  const at = (frame: Frame, position: number, epoch = frame.id!.split('-')[0]) => ({
    ...frame,
    id: `${epoch}-${position}`
  })
  let first: Frame | undefined
  const replay = (frame: Frame, position: number): Frame[] =>
    ++later === 1 ? [{ ...frame, data: { ...first!.data, position } }] : [frame]
  let later = 0
  const heard = await streamed(
    'replays are over',
    (frame) => {
      if (frame.event !== 'message') return [frame]
      const { position } = frame.data as Message
      if (first !== undefined) return replay(frame, position)
      first = frame
      const ready = { deviceId: randomUUID(), keepaliveSeconds: 15 }
      return [
        frame,
        frame,
        at(frame, position + 1),
        at(frame, position, 'another1'),
        { event: 'ready', id: undefined, data: { ...ready, cursor: at(frame, 1).id } },
        frame
      ]
    },
    async () => {
      expect(await alice.send(id, 'said once'), 201)
      expect(await alice.send(id, 'kept back'), 201)
      expect(await alice.send(id, 'replays are over'), 201)
    }
  )
  const due = [
    'said once',
    'replayed-event',
    'replayed-event',
    'replayed-event',
    'connected',
    'replayed-event',
    'replayed-message',
    'withheld 5–5',
    'replays are over'
  ]
  t.strictSame(heard.sort(), due.sort(), 'in whichever order they were read from the socket')
})

t.test('In the stream, messages in another order than they were sent are reported', async (t) => {
  const { id } = await three()
  await carols.first('message', (event) => event.conversationId === id && textOf(event) === 'three')
  let held: Frame | undefined
  const heard = await streamed(
    'first',
    (frame) => {
      if (frame.event !== 'message') return [frame]
      if (held === undefined) {
        held = frame
        return []
      }
      const swap = (a: Frame, b: Frame) => ({
        ...a,
        id: b.id,
        data: { ...a.data, position: b.data.position }
      })
      return [swap(frame, held), swap(held, frame)]
    },
    async () => {
      expect(await alice.send(id, 'first'), 201)
      expect(await alice.send(id, 'second'), 201)
    }
  )
  t.strictSame(heard, ['withheld 4–4', 'second', 'reordered', 'first'])
})

t.test('A receipt for another message than was sent is not taken', async (t) => {
  const { id } = await three()
  proxy.tamper({
    answer({ method, path, body }) {
      if (method === 'POST' && path.endsWith('/messages')) body.id = randomUUID()
    }
  })
  t.match(await failure(bob.send(id, 'sent?')), { kind: 'untrusted', code: 'other-answer' })
  proxy.tamper({})
  t.equal((await bob.flush()).length, 1, 'it waits until the server owns up to it')
  t.equal((await alice.history(id)).length, 4, 'and was stored once')
})

t.test('A message that the server says it has stored, and has not, is missed by everybody', async (t) => {
  const posts = new RecordingFetch()
  const dora = await victim('dora', { fetch: posts.fetch })
  const { conversationId, ...one } = await dora.send({ username: 'bob' }, 'one')
  const position = one.position + 1
  posts.answers.set('messages', ({ id }) => Response.json({ id, position, createdAt: one.sentAt }))
  t.match(await dora.send(conversationId, 'two'), { position })
  posts.answers.clear()
  await bob.send(conversationId, 'and?')
  await dora.send(conversationId, 'three')
  const shown = ['one', 'and?', 'withheld 2–2', 'three']
  t.strictSame(await told(bob, conversationId), shown)
  t.strictSame(await told(dora, conversationId), shown)
})
