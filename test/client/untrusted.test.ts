import t, { type Test } from 'tap'
import type { ChatClient } from '../../src/client/client.js'
import type { Incoming } from '../../src/client/chat-events.js'
import { all, client, failure, Listener, PASSWORD, registered, texts } from '../support/chat-clients.js'
import { startChat } from '../support/start-chat.js'

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- a lie may be about anything
type Json = Record<string, any>

/** A server that lies: what it answers to some requests is changed on its way. */
class Liar {
  lie: ((path: string, body: Json) => void) | null = null

  readonly fetch: typeof fetch = async (input, init) => {
    const response = await fetch(input, init)
    const type = response.headers.get('content-type') ?? ''
    if (this.lie === null || !type.includes('application/json')) return response
    const { pathname, search } = new URL(input)
    const body = (await response.json()) as Json
    this.lie(pathname + search, body)
    return new Response(JSON.stringify(body), { status: response.status, headers: response.headers })
  }
}

interface World {
  liar: Liar
  alice: ChatClient
  bob: ChatClient
  conversationId: string
}

/** Alice has sent three messages to Bob, whose server may lie to him. */
async function world(t: Test): Promise<World> {
  const { url } = await startChat(t)
  const liar = new Liar()
  const alice = await registered(t, url, 'alice')
  const bob = await registered(t, url, 'bob', { fetch: liar.fetch })
  const { conversationId } = await alice.send({ username: 'bob' }, 'one')
  await alice.send(conversationId, 'two')
  await alice.send(conversationId, 'three')
  return { liar, alice, bob, conversationId }
}

const isHistory = (path: string) => path.includes('/messages?')

async function told(bob: ChatClient, conversationId: string): Promise<unknown[]> {
  const read = await all<Incoming>(bob.history(conversationId, { after: 0 }))
  return read.map((item) => {
    if (item.type === 'unreadable') return item.error.code
    if (item.type === 'withheld') return `withheld ${item.first}–${item.last}`
    return item.type === 'message' && item.content.type === 'text' ? item.content.text : item.type
  })
}

t.test('A message that is withheld leaves a gap', async (t) => {
  const { liar, bob, conversationId } = await world(t)
  liar.lie = (path, body) => isHistory(path) && body['items'].splice(1, 1)
  t.strictSame(await told(bob, conversationId), ['one', 'withheld 2–2', 'three'])
})

t.test('A message that is shown again as a new one is refused', async (t) => {
  const { liar, bob, conversationId } = await world(t)
  liar.lie = (path, { items }) => {
    if (isHistory(path)) items.push({ ...items[0], position: items[2].position + 5 })
  }
  t.strictSame(await told(bob, conversationId), ['one', 'two', 'three', 'replayed-message'])
})

t.test('Messages in another order than they were sent are told', async (t) => {
  const { liar, bob, conversationId } = await world(t)
  liar.lie = (path, { items }) => {
    if (!isHistory(path)) return
    const [one, two, three] = items
    items.splice(0, 3, one, { ...three, position: two.position }, { ...two, position: three.position })
  }
  t.strictSame(await told(bob, conversationId), ['one', 'withheld 2–2', 'three', 'reordered', 'two'])
})

t.test('A message that was changed, renamed, or put under another sender is refused', async (t) => {
  const { liar, bob, conversationId } = await world(t)
  const lies: [change: (message: Json) => void, code: string][] = [
    [(message) => (message['ciphertext'] = `AAAA${String(message['ciphertext']).slice(4)}`), 'bad-signature'],
    [(message) => (message['id'] = crypto.randomUUID()), 'bad-signature'],
    [(message) => (message['sender'].deviceId = bob.account!.deviceId), 'ghost-device'],
    [(message) => (message['sender'].deviceId = crypto.randomUUID()), 'ghost-device'],
    [(message) => (message['sender'].username = 'bob'), 'ghost-device'],
    [
      (message) => {
        message['sender'].deviceId = bob.account!.deviceId
        message['sender'].username = 'bob'
      },
      'bad-signature'
    ]
  ]
  for (const [change, code] of lies) {
    liar.lie = (path, { items }) => isHistory(path) && change(items[0])
    t.strictSame(await told(bob, conversationId), [code, 'two', 'three'])
  }
})

t.test(
  'A session key for others than the members, by nobody, or another than was signed, is refused',
  async (t) => {
    const { url } = await startChat(t)
    const alice = await registered(t, url, 'alice')
    await registered(t, url, 'bob')
    const { conversationId } = await alice.send({ username: 'bob' }, 'one')
    const statement = (change: (text: string) => string) => (key: Json) => {
      key['statement'].text = change(key['statement'].text as string)
    }
    const zeros = '0'.repeat(64)
    const lies: [change: (key: Json) => void, code: string][] = [
      [(key) => key['roster'].push({ signingKey: zeros, encryptionKey: zeros }), 'forged-session-key'],
      [(key) => key['roster'].pop(), 'forged-session-key'],
      [statement((text) => text.replace(/head .*/, `head ${zeros}`)), 'forked-chain'],
      [statement((text) => text.replace(/commitment .*/, `commitment ${zeros}`)), 'bad-signature'],
      [statement((text) => text.replace(/by .*/, `by ${zeros}`)), 'forged-session-key'],
      [
        statement((text) => text.replace(/conversation .*/, `conversation ${crypto.randomUUID()}`)),
        'forged-session-key'
      ]
    ]
    for (const [change, code] of lies) {
      const liar = new Liar()
      liar.lie = (path, body) => /session-keys\/./.test(path) && change(body['sessionKey'] as Json)
      const twin = await client(t, url, { fetch: liar.fetch })
      await twin.devices.reset({ username: 'bob', password: PASSWORD })
      await alice.contacts.get('bob')
      await alice.contacts.accept('bob')
      await alice.send(conversationId, code)
      t.strictSame((await told(twin, conversationId)).at(-1), code)
    }
  }
)

t.test('A chain that is not the one seen before, or that lists other devices, is refused', async (t) => {
  const { liar, alice, bob, conversationId } = await world(t)
  await bob.users.get('alice')
  const zeros = '0'.repeat(64)
  const own = await bob.users.get('bob')
  const lies: [change: (profile: Json) => void, code: string][] = [
    [(profile) => (profile['root'] = zeros), 'second-root'],
    [(profile) => (profile['devices'][0].id = crypto.randomUUID()), 'ghost-device'],
    [
      (profile) => profile['devices'].push({ ...profile['devices'][0], id: own.devices[0]!.id }),
      'ghost-device'
    ],
    [(profile) => (profile['devices'] = []), 'forked-chain'],
    [(profile) => (profile['user'].id = crypto.randomUUID()), 'forked-chain'],
    [(profile) => profile['devices'][0].encryptionVersion--, 'malformed-answer']
  ]
  for (const [change, code] of lies) {
    liar.lie = (path, body) => path.startsWith('/v1/users/alice') && change(body)
    t.match(await failure(bob.users.get('alice')), { kind: 'untrusted', code })
  }
  liar.lie = null
  await alice.devices.rekey()
  liar.lie = (path, body) => path.startsWith('/v1/users/alice') && (body['chain'] = [])
  t.match(await failure(bob.send(conversationId, 'to whom?')), { kind: 'untrusted' })
  liar.lie = null
  await bob.send(conversationId, 'to alice')
  t.strictSame(await texts(alice, conversationId), ['one', 'two', 'three', 'to alice'])
})

t.test('What is forged in the stream of events is told, and not believed', async (t) => {
  const { url } = await startChat(t)
  const lies = { on: false }
  const lying: typeof fetch = async (input, init) => {
    const response = await fetch(input, init)
    if (!(response.headers.get('content-type') ?? '').includes('event-stream')) return response
    const lie = new TransformStream<string, string>({
      transform(text, controller) {
        controller.enqueue(lies.on ? text.replace('device-rekey', 'device-reset') : text)
      }
    })
    const body = response.body!.pipeThrough(new TextDecoderStream()).pipeThrough(lie)
    return new Response(body.pipeThrough(new TextEncoderStream()), { headers: response.headers })
  }
  const alice = await registered(t, url, 'alice')
  const bob = await registered(t, url, 'bob', { fetch: lying })
  const bobs = new Listener(t, bob)
  await alice.send({ username: 'bob' }, 'hello')
  await bobs.message('hello')
  lies.on = true
  await alice.devices.rekey()
  t.match(await bobs.first('untrusted'), { error: { kind: 'untrusted', code: 'forged-event' } })
  t.match(await bob.contacts.get('alice'), { status: 'unverified' })
})
