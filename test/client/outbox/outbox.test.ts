import t from 'tap'
import { ChatClient } from '../../../src/client/client.js'
import { MemoryStore } from '../../../src/client/stores/memory.js'
import { all, client, failure, Listener, PASSWORD, registered, texts } from '../../support/chat-clients.js'
import { eventually } from '../../support/eventually.js'
import { inShort } from '../../support/malicious-server.js'
import { startServer } from '../../support/server-process.js'
import { startChat } from '../../support/start-chat.js'

/** A network that fails on demand: before the request reaches the server, or after the response. */
function badNetwork() {
  const network = { fail: null as 'before' | 'after' | null, posts: 0 }
  const fetchBadly: typeof fetch = async (input, init) => {
    const isMessage = init?.method === 'POST' && /\/messages(\/batch)?$/.test(input as string)
    if (isMessage) network.posts++
    if (isMessage && network.fail === 'before') throw new TypeError('cut')
    const response = await fetch(input, init)
    if (isMessage && network.fail === 'after') {
      await response.arrayBuffer()
      throw new TypeError('cut')
    }
    return response
  }
  return { network, fetch: fetchBadly }
}

const { url } = await startChat(t)

t.test('A message whose answer was lost is sent again by the next client, and stored once', async (t) => {
  const store = new MemoryStore()
  const { network, fetch } = badNetwork()
  const alice = await registered(t, url, 'alice', { store, fetch, random: () => 0 })
  const bob = await registered(t, url, 'bob')
  const bobs = new Listener(t, bob)
  await bobs.first('connected')
  const { conversationId } = await alice.send({ username: 'bob' }, 'first')

  const id = crypto.randomUUID()
  for (const fail of ['after', 'before'] as const) {
    network.fail = fail
    const text = `lost ${fail}`
    t.match(await failure(alice.send(conversationId, text, fail === 'after' ? { id } : {})), {
      kind: 'unreachable'
    })
  }
  network.fail = null
  await alice.close()
  const again = await client(t, url, { store })
  t.equal((await again.flush()).length, 2)
  t.strictSame(await again.flush(), [])
  t.match(
    await again.send(conversationId, 'lost after', { id }),
    { id, conversationId },
    'a known id is not sent again'
  )
  await again.send(conversationId, 'last')
  await bobs.message('last')
  t.strictSame(bobs.texts(), ['first', 'lost after', 'lost before', 'last'])
  t.strictSame(
    bobs.heard.filter(({ type }) => ['withheld', 'reordered', 'untrusted', 'unreadable'].includes(type)),
    []
  )
  t.strictSame(await texts(again, conversationId), ['first', 'lost after', 'lost before', 'last'])
})

t.test(
  'Messages that wait when the session key becomes stale are sealed again, under their ids, in their order',
  async (t) => {
    const store = new MemoryStore()
    const { network, fetch } = badNetwork()
    const anna = await registered(t, url, 'anna', { store, fetch, random: () => 0 })
    const ben = await registered(t, url, 'ben')
    const cora = await registered(t, url, 'cora')
    const { id } = await ben.conversations.createGroup('three', ['anna', 'cora'])
    await anna.send(id, 'one')
    network.fail = 'before'
    const failures = await Promise.all([failure(anna.send(id, 'two')), failure(anna.send(id, 'three'))])
    t.match(failures, [{ kind: 'unreachable' }, { kind: 'unreachable' }])
    await ben.conversations.remove(id, 'cora')
    network.fail = null
    await anna.flush()
    t.strictSame((await texts(ben, id)).slice(1), ['one', 'two', 'three'])
    const read = await all(ben.history(id, { after: 0 }))
    t.strictSame(
      read.slice(1).map((message) => message.type === 'message' && message.n),
      [1, 1, 2]
    )
    t.strictSame(await failure(cora.send(id, 'gone')).then(({ code }) => code), 'conversation-not-found')
  }
)

t.test('A message is in the store, although a look at its conversation hangs', async (t) => {
  const network = { isDead: false }
  const dead: typeof fetch = (input, init) =>
    network.isDead && (input as string).includes('/conversations/')
      ? new Promise((_, reject) =>
          init!.signal!.addEventListener('abort', () => reject(new TypeError('cut')))
        )
      : fetch(input, init)
  const chat = await registered(t, url, 'hans', { fetch: dead })
  await registered(t, url, 'greta')
  const { conversationId } = await chat.send({ username: 'greta' }, 'first')
  network.isDead = true
  const looking = failure(chat.conversations.get(conversationId))
  const id = crypto.randomUUID()
  const sending = failure(chat.send(conversationId, 'second', { id }))
  await eventually(() => chat.isQueued(id))
  await chat.close()
  await Promise.all([looking, sending])
})

t.test('A message that the server may have stays as it is when the session key changes', async (t) => {
  const store = new MemoryStore()
  const { network, fetch } = badNetwork()
  const amy = await registered(t, url, 'amanda', { store, fetch, random: () => 0 })
  const bill = await registered(t, url, 'bill')
  const cleo = await registered(t, url, 'cleo')
  const { id } = await bill.conversations.createGroup('three', ['amanda', 'cleo'])
  const amys = new Listener(t, amy)
  await amy.send(id, 'one')
  for (const fail of ['after', 'before'] as const) {
    network.fail = fail
    t.match(await failure(amy.send(id, `lost ${fail}`)), { kind: 'unreachable' })
    await (fail === 'after' ? bill.conversations.remove(id, 'cleo') : bill.conversations.add(id, 'cleo'))
    network.fail = null
    await amys.first('members', ({ change }) => change === (fail === 'after' ? 'removed' : 'added'))
    await amy.send(id, `behind lost ${fail}`)
  }
  // Between them stands the title, for who is added.
  const sent = ['one', 'lost after', 'behind lost after', 'message', 'lost before', 'behind lost before']
  t.strictSame((await texts(bill, id)).slice(1), sent)
  t.strictSame((await texts(amy, id)).slice(1), sent)
  await amys.message('behind lost before')
  t.notOk(amys.heard.some(({ type }) => ['unreadable', 'not-sent', 'withheld', 'reordered'].includes(type)))
  const read = await all(bill.history(id, { after: 0 }))
  t.strictSame(
    read.slice(1).map((message) => message.type === 'message' && message.n),
    [1, 2, 1, 1, 1, 2]
  )
  t.equal((await cleo.conversations.get(id)).joined, true)
})

t.test('A message that the server may have is posted as it is, although the key has changed', async (t) => {
  const { network, fetch: fetchBadly } = badNetwork()
  let slow: Promise<unknown> | null = null
  const fetchSlowly: typeof fetch = async (input, init) => {
    const response = await fetchBadly(input, init)
    if (/\/messages$/.test(input as string)) await slow
    return response
  }
  const amy = await registered(t, url, 'amy', { fetch: fetchSlowly, random: () => 0 })
  const bert = await registered(t, url, 'bert')
  const { id } = await bert.conversations.createGroup('two', ['amy'])
  await amy.send(id, 'one')
  network.fail = 'after'
  t.match(await failure(amy.send(id, 'lost')), { kind: 'unreachable' })
  network.fail = null
  await bert.conversations.setTimer(id, 60)
  await amy.conversations.get(id)
  await amy.send(id, 'after it')

  let goOn = (): void => undefined
  slow = new Promise<void>((resolve) => (goOn = resolve))
  const posts = network.posts
  const sent = [amy.send(id, 'slow')]
  await eventually(() => network.posts > posts, 'it is on its way')
  await bert.conversations.setTimer(id, 120)
  await amy.conversations.get(id)
  sent.push(amy.send(id, 'behind it'))
  goOn()
  await Promise.all(sent)
  const read = (await all(bert.history(id, { after: 0 }))).slice(1).map(inShort)
  t.strictSame(read, ['one', 'lost', 'after it', 'slow', 'behind it'])
})

t.test('A message for one identity never goes to the next one', async (t) => {
  const store = new MemoryStore()
  const { network, fetch } = badNetwork()
  const abby = await registered(t, url, 'abby', { store, fetch, random: () => 0 })
  const bart = await registered(t, url, 'bart')
  await bart.conversations.createGroup('two', ['abby'])
  const { id } = (await abby.conversations.list())[0]!
  await abby.send(id, 'to you')
  await abby.contacts.verify('bart', await abby.contacts.safetyNumber('bart'))
  network.fail = 'before'
  t.match(await failure(abby.send(id, 'kept')), { kind: 'unreachable' })
  const phone = await client(t, url)
  await phone.devices.reset({ username: 'bart', password: PASSWORD })
  network.fail = null

  t.match(await failure(abby.send(id, 'noticed while sending')), { kind: 'identity-changed' })
  await abby.contacts.accept('bart', { root: (await abby.contacts.get('bart')).root })
  t.strictSame(await abby.flush(), [], 'nothing waits')
  await abby.conversations.renew(id, 'bart')
  await abby.send(id, 'to the new one')
  t.strictSame(
    (await texts(phone, id)).filter((text) => /to|kept/.test(text)),
    ['to the new one']
  )
  const abbys = new Listener(t, abby)
  t.match(await abbys.first('not-sent'), { conversationId: id, error: { kind: 'identity-changed' } })
})

t.test(
  'Many messages at once, from two processes of one device, arrive once each and in order',
  async (t) => {
    const store = new MemoryStore()
    const adam = await registered(t, url, 'adam', { store })
    const twin = await client(t, url, { store })
    const bella = await registered(t, url, 'bella')
    const { conversationId } = await adam.send({ username: 'bella' }, 'start')
    const names = Array.from({ length: 20 }, (_, i) => [`a${i}`, `b${i}`]).flat()
    await Promise.all(names.map((text) => (text.startsWith('a') ? adam : twin).send(conversationId, text)))
    const read = await texts(bella, conversationId)
    t.strictSame([...read].sort(), ['start', ...names].sort(), 'all came, none twice, and nothing is wrong')
    for (const who of ['a', 'b'])
      t.strictSame(
        read.filter((text) => text.startsWith(who)),
        names.filter((text) => text.startsWith(who))
      )
  }
)

t.test('The stream of events survives a restart of the server', async (t) => {
  const server = await startServer(t)
  const alice = await registered(t, server.url, 'alice')
  const bob = await registered(t, server.url, 'bob', { random: () => 0 })
  const bobs = new Listener(t, bob)
  await bobs.first('connected')
  const { conversationId } = await alice.send({ username: 'bob' }, 'before')
  await bobs.message('before')
  await server.restart('SIGKILL')
  await bobs.first('disconnected')
  await alice.send(conversationId, 'after')
  await bobs.message('after')
  t.strictSame(bobs.texts(), ['before', 'after'])
})

t.test('A device that was away for long catches up page by page', async (t) => {
  const store = new MemoryStore()
  const ada = await registered(t, url, 'ada')
  const basil = await registered(t, url, 'basil', { store })
  const { conversationId } = await ada.send({ username: 'basil' }, 'm0')
  await basil.close()
  const expected = Array.from({ length: 450 }, (_, i) => `m${i}`)
  await Promise.all(expected.slice(1).map((text) => ada.send(conversationId, text)))

  const requests: string[] = []
  const counting: typeof fetch = (input, init) => {
    requests.push(input as string)
    return fetch(input, init)
  }
  const back = await ChatClient.open({ url, store, fetch: counting })
  t.teardown(() => back.close())
  const listener = new Listener(t, back)
  await listener.message('m449')
  t.strictSame(listener.texts(), expected)
  requests.length = 0
  t.strictSame(await texts(back, conversationId), expected)
  t.equal(requests.length, 3, 'a history needs its pages and nothing else')
  t.match(await back.login({ username: 'basil', password: PASSWORD }), { status: 'active' })
})
