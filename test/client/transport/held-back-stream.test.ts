import t, { type Test } from 'tap'
import { lostConnection } from '../../../src/cli/output/event-text.js'
import { Listener, registered } from '../../support/chat-clients.js'
import { startChat } from '../../support/start-chat.js'
import { tamperingProxy, type Frame } from '../../support/tampering-proxy.js'

const { url } = await startChat(t)
/** Pauses are as short as they may be, and a stream that does not begin is given up soon. */
const quick = { random: () => 0, timeout: 1000 }

/** So that a client soon takes a stream for dead which has fallen silent. */
const frame = ({ event, id, data }: Frame): Frame[] => [
  { event, id, data: event === 'ready' ? { ...data, keepaliveSeconds: 1 } : data }
]

async function pollsInstead(t: Test, holds: 'head' | 'body' | 'rest'): Promise<void> {
  const proxy = await tamperingProxy(t, url)
  const [sender, receiver] = [`from-${holds}`, `to-${holds}`]
  const alice = await registered(t, url, sender)
  const bob = await registered(t, proxy.url, receiver, quick)
  proxy.tamper({ frame })
  const listener = new Listener(t, bob)
  await listener.first('connected')
  listener.heard.length = 0
  proxy.tamper({ frame, holds })
  proxy.cut()
  const { error } = await listener.first('disconnected', (event) => event.error?.code === 'held-back-stream')
  t.match(lostConnection(error), /holds back the stream of events.* proxy .*\/v1\/events without buffering/)
  await listener.first('connected')
  const { conversationId } = await alice.send({ username: receiver }, 'one')
  await listener.message('one')
  await alice.send(conversationId, 'two')
  await listener.message('two')
  await listener.stop()
  t.strictSame(listener.texts(), ['one', 'two'])

  proxy.tamper({})
  await alice.send(conversationId, 'three')
  const later = new Listener(t, bob)
  await later.message('three')
  t.strictSame(later.texts().slice(-1), ['three'], 'a stream goes on after the same cursor')
}

t.test('Where something holds back streams, events come by polls, and the client says so', async (t) => {
  // Each mostly waits.
  t.jobs = 3
  const held = [
    ['head', 'Not even its head comes'],
    ['body', 'Only its head comes'],
    ['rest', 'Its first event comes, and no other']
  ] as const
  await Promise.all(
    held.map(([holds, what]) => t.test(what, { buffered: true }, (t) => pollsInstead(t, holds)))
  )
})

t.test('If polls do not get through either, the stream is not blamed', async (t) => {
  const proxy = await tamperingProxy(t, url)
  const carol = await registered(t, proxy.url, 'carol', quick)
  const headers = { 'content-type': 'application/problem+json', 'retry-after': '60' }
  const body = JSON.stringify({ type: '/problems/too-many-requests', detail: 'Wait a minute.' })
  const refused = { status: 429, headers, body }
  proxy.tamper({ holds: 'head', instead: ({ path }) => (path.includes('/page') ? refused : undefined) })
  const listener = new Listener(t, carol)
  const { error } = await listener.first('disconnected', (event) => event.error?.kind === 'refused')
  t.equal(lostConnection(error), 'The server refuses: Wait a minute. Trying again …')
  t.strictSame(
    listener.heard.map((event) => event.type === 'disconnected' && event.error?.code),
    ['timeout', 'timeout', 'too-many-requests']
  )
})
