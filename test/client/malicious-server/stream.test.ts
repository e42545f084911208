import t from 'tap'
import type { ChatEvent } from '../../../src/client/types/events.js'
import { Listener } from '../../support/chat-clients.js'
import { eventually } from '../../support/eventually.js'
import { problem } from '../../support/fake-answers.js'
import { inShort, scene, told } from '../../support/malicious-server.js'

/** A message as a frame of the stream, at any place of any log. */
function frame(
  message: object & { position: number },
  { at = message.position, epoch = 'aaaaaaaa' } = {}
): string {
  return `id: ${epoch}-${at}\nevent: message\ndata: ${JSON.stringify(message)}\n\n`
}

/** Bob listens in a group of Alice's. `heard` is all that comes from now on. */
async function listening() {
  const all = await scene(t, ['alice'])
  const listener = await all.listen()
  await all.talk.say(all.alice, 'hello', 1)
  await listener.message('hello')
  const from = listener.heard.length
  const heard = async (last: string): Promise<string[]> => {
    await eventually(() => listener.texts().includes(last), last)
    return listener.heard.slice(from).map(inShort)
  }
  return { ...all, listener, heard }
}

t.test('A frame that is shown again, or at another place, is not shown as new', async (t) => {
  const { server, talk, alice, heard } = await listening()
  const once = await talk.say(alice, 'said once', 2)
  const log = server.log
  const cursor = `aaaaaaaa-1`
  const ready = { cursor, deviceId: crypto.randomUUID(), keepaliveSeconds: 15 }
  log.send('bob', frame(once))
  log.send('bob', frame(once, { at: once.position + 1 }))
  log.send('bob', frame(once, { epoch: 'another1' }))
  log.send('bob', `event: ready\ndata: ${JSON.stringify(ready)}\n\n`)
  log.send('bob', frame(once))
  const position = ++log.position
  log.send('bob', frame({ ...once, position }))
  await talk.say(alice, 'kept back', 3, { isStreamed: false })
  await talk.say(alice, 'end', 4)
  t.strictSame(await heard('end'), [
    'said once',
    'replayed-event',
    'replayed-event',
    'replayed-event',
    'replayed-event',
    'replayed-message',
    'withheld 3–3',
    'end'
  ])
})

t.test('In the stream, messages in another order than they were sent are reported', async (t) => {
  const { server, talk, alice, heard } = await listening()
  const two = await talk.say(alice, 'second', 3, { isStreamed: false })
  const one = await talk.say(alice, 'first', 2, { isStreamed: false })
  server.log.send('bob', frame(two))
  server.log.send('bob', frame(one))
  t.strictSame(await heard('first'), ['withheld 2–2', 'second', 'reordered', 'first'])
})

t.test('However many holes a counter has, one message tells of one gap', async (t) => {
  const { bob, talk, alice, listener, heard } = await listening()
  for (let n = 3; n < 200; n += 2) await talk.say(alice, `message ${n}`, n, { isStreamed: false })
  t.equal(
    (await told(bob, talk.id)).filter((one) => one.startsWith('withheld')).length,
    99,
    'each in its place'
  )
  await talk.say(alice, 'end', 201)
  t.strictSame(await heard('end'), ['withheld 2–200', 'end'])
  t.match(await listener.first('withheld'), { count: 100 })
})

t.test('Events of the wrong form end the connection, and the next one goes on', async (t) => {
  const { server, talk, alice, listener, heard } = await listening()
  const good = await talk.say(alice, 'good', 2, { isStreamed: false })
  server.log.send('bob', frame({ ...good, id: 'no id' } as typeof good))
  await listener.first(
    'disconnected',
    (event: ChatEvent & { type: 'disconnected' }) => event.error?.code === 'malformed-answer'
  )
  server.log.append(['bob'], 'message', good, good.position)
  t.ok((await heard('good')).includes('good'))
})

t.test(
  'An event about a conversation or a user that says what no chain holds is told, and not believed',
  async (t) => {
    const { server, bob, talk, alice, listener } = await listening()
    const mallory = await server.puppet('mallory')
    const member = { username: 'mallory', role: 'admin', root: mallory.user.root } as const
    talk.announce(await talk.sign([{ kind: 'conversation-add', member }], mallory.device))
    t.match(await listener.first('untrusted'), { error: { kind: 'untrusted' }, conversationId: talk.id })
    t.notOk((await bob.conversations.get(talk.id)).members.some(({ username }) => username === 'mallory'))

    const [statement] = alice.user.statements
    server.announce(alice.user, {
      ...statement!,
      text: statement!.text.replace('device-add', 'device-reset')
    })
    t.match(await listener.first('untrusted', ({ error }) => error.code !== 'forbidden-statement'), {
      error: { kind: 'untrusted' }
    })
    t.match(await bob.contacts.get('alice'), { status: 'unverified' })
  }
)

t.test('However long the server asks to wait, the stream tries again within a minute', async (t) => {
  const { server, bob } = await scene(t, ['alice'])
  server.lies.push(({ path }) => {
    if (path !== '/v1/events') return undefined
    const refusal = problem('too-many-requests')
    refusal.headers.set('retry-after', '99999999')
    return refusal
  })
  const { retryIn } = await new Listener(t, bob).first('disconnected')
  t.ok(retryIn <= 60_000)
})

t.test(
  'However short the server asks to wait, a stream that ends at once is not opened again at once',
  async (t) => {
    const { server, bob } = await scene(t, ['alice'])
    const cursor = server.log.cursor
    const ready = { cursor, deviceId: bob.account!.deviceId, keepaliveSeconds: 15 }
    const body = `retry: 0\nid: ${cursor}\nevent: ready\ndata: ${JSON.stringify(ready)}\n\n`
    server.lies.push(({ path }) =>
      path === '/v1/events'
        ? new Response(body, { headers: { 'content-type': 'text/event-stream' } })
        : undefined
    )
    const heard = new Listener(t, bob)
    for (let count = 1; count <= 2; count++) {
      const disconnected = () => heard.heard.filter(({ type }) => type === 'disconnected')
      await heard.first('disconnected', () => disconnected().length >= count)
      for (const event of disconnected()) t.ok('retryIn' in event && event.retryIn >= 500)
    }
  }
)

t.test('An event that brings no statement is malformed, and ends nothing', async () => {
  const { server, bob, talk, alice, listener, heard } = await listening()
  await bob.conversations.get(talk.id)
  const { sequence } = talk.conversation.chain
  for (const [event, more] of [
    ['conversation.chain', { sequence }],
    ['conversation.chain', { sequence: 0 }],
    ['conversation.created', { kind: 'group' }]
  ] as const) {
    server.log.send('bob', 'event: reset\ndata: {"position":1}\n\n')
    const position = ++server.log.position
    const data = { conversationId: talk.id, ...more, items: [], position }
    server.log.send('bob', `id: aaaaaaaa-${position}\nevent: ${event}\ndata: ${JSON.stringify(data)}\n\n`)
    const isMalformed = ({ error }: { error?: { code: string } }) => error?.code === 'malformed-answer'
    await listener.first('disconnected', isMalformed)
    await listener.first('connected')
  }
  await talk.say(alice, 'end', 2)
  await heard('end')
})

t.test(
  'The place of a request in the chain is the one that its statements name, whatever the event says',
  async (t) => {
    const { server, store, talk, alice, heard } = await listening()
    const made = await talk.sign([], alice.device)
    await talk.conversation.append([], made.request.key, server.users, { isDue: false })
    const items = [made.request.key.statement]
    server.log.send('bob', 'event: reset\ndata: {"position":1}\n\n')
    server.log.append(['bob'], 'conversation.chain', { conversationId: talk.id, sequence: 900, items })
    await talk.say(alice, 'end', 1, { key: made })
    await heard('end')
    const { sequence } = talk.conversation.chain
    const firsts = (await store.list(`first-streamed/${talk.id}/`)).map(([, first]) => first)
    t.match(firsts.at(-1)!, { sequence, hash: made.hash })
  }
)
