import { randomUUID } from 'node:crypto'
import t, { type Test } from 'tap'
import type { NewMessage } from '../../../src/protocol/messages.js'
import { costOf, EVENT_BYTES, LONGEST_BLOCK, MEMBER_BYTES } from '../../support/client-costs.js'
import { fakeClient } from '../../support/fake-clients.js'
import { TIME } from '../../support/fake-user.js'
import { scene, told } from '../../support/malicious-server.js'
import { rawMessage } from '../../support/puppet-raw-message.js'
import { puppetTalk, type PuppetTalk } from '../../support/puppet-talk.js'
import type { Puppet } from '../../support/puppet.js'

const HASH = 'ab'.repeat(32)
/** Bytes of a message's JSON that still fit, beside the members that each has. */
const ROOM = 63_300

const plain = (n: number, type: string, members: string): string =>
  `{"type":"${type}","n":${n},"sentAt":"${TIME}",${members}}`
const fill = (piece: string, bytes = ROOM): string =>
  piece.repeat(Math.floor(bytes / Buffer.byteLength(piece)))
const text = (value: string): string => `"text":"${value}"`
const nested = (bytes: number): string => `"a":${'['.repeat(14)}${fill('[],', bytes)}[]${']'.repeat(14)}`
const list = (length: number, item: (at: number) => string): string =>
  Array.from({ length }, (_, at) => item(at)).join()
const trusted = `{"root":"${HASH}","since":1,"sequence":1,"head":"${HASH}","decided":true,"verified":true}`
const file =
  `"attachment":"${randomUUID()}","name":"${fill('n', 256)}","mediaType":"${fill('m', 256)}","size":1,` +
  `"sha256":"${HASH}","key":"${fill('A', 43)}=",${text(fill('x', 62_000))}`

/** The type and the members of messages, each the worst of its kind. */
type Worst = Record<string, [type: string, members: string]>
const valid: Worst = {
  'the longest text': ['text', text(fill('a'))],
  'turned and invisible characters': ['text', text(fill('\u202e\u200b\u2066\u00ad'))],
  'combining characters': ['text', text(`a${fill('\u0301', ROOM - 1)}`)],
  'flags and families': ['text', text(fill('\u{1f468}\u200d\u{1f1e9}\u{1f1ea}'))],
  'escaped characters': ['text', text(fill('\\u0001'))],
  quotes: ['text', text(fill('\\"'))],
  backslashes: ['text', text(fill('\\\\'))],
  'the longest reaction': [
    'reaction',
    `${text(fill('x', 64))},"ref":{"id":"${randomUUID()}","digest":"${HASH}"}`
  ],
  'the longest title': ['title', text(fill('\u{1f468}', 512))],
  'the largest file': ['file', file],
  'an unknown type': ['x'.repeat(ROOM), '"a":1'],
  'many numbers': ['x', `"a":[${fill('1,')}1]`],
  'the longest number': ['x', `"a":${fill('1', 300)}.${fill('1', 62_000)}`],
  'many objects': ['x', `"a":[${fill('{},')}1]`],
  'many names': ['x', list(6000, (at) => `"_${at}":1`)],
  'lists inside each other, as deep as allowed': ['x', nested(ROOM)],
  'nothing but spaces': ['x', `"a":${fill(' ')}1`],
  'as many roots as one may name': [
    'trust',
    `"users":{${list(200, (at) => `"user-${at}":${trusted}`)}},"conversations":{}`
  ],
  'the end of an unknown chain': [
    'welcome',
    `"conversation":"${randomUUID()}","sequence":999999999,"head":"${HASH}"`
  ]
}
const refused: Worst = {
  'a reaction that is too long': [
    'reaction',
    `${text(fill('x', 60_000))},"ref":{"id":"${randomUUID()}","digest":"${HASH}"}`
  ],
  'a title that is too long': ['title', text(fill('x'))],
  'a number that is too large': ['x', `"a":${fill('1')}`],
  'lists inside each other, and deeper': ['x', `"a":${fill('[', ROOM / 2)}${fill(']', ROOM / 2)}`],
  'more roots than one may name': [
    'trust',
    `"users":{${list(4000, (at) => `"user-${at}":{}`)}},"conversations":{}`
  ]
}

/** Mallory's messages reach Bob, and Bob has read them all. */
async function listening(t: Test, kind: 'direct' | 'group' = 'group') {
  const all = await scene(t, ['alice', 'mallory'])
  const { server, alice, mallory, user } = all
  const talk =
    kind === 'group' ? all.talk : await puppetTalk(server, 'direct', [[mallory.user], [user]], mallory)
  const heard = await all.listen()
  let ends = 0
  const give = async (messages: readonly NewMessage[]): Promise<void> => {
    server.log.together(() => messages.forEach((sealed) => talk.stream(talk.serve(mallory, sealed))))
    const end = `end ${++ends}`
    await all.talk.say(alice, end, ends)
    await heard.message(end)
    heard.heard.length = 0
  }
  await give([])
  return { ...all, talk, give }
}

const seal = (talk: PuppetTalk, { device }: Puppet, json: string): Promise<NewMessage> =>
  rawMessage(talk.id, talk.key, device, json)

t.test('No message blocks its readers or fills their stores, whatever is in it', async (t) => {
  for (const kind of ['group', 'direct'] as const) {
    const { talk, mallory, store, give } = await listening(t, kind)
    let n = 0
    for (const [title, [type, members]] of Object.entries({ ...valid, ...refused })) {
      const { block, bytes } = await costOf(store, async () => {
        const message = await seal(talk, mallory, plain(++n, type, members))
        return () => give([message])
      })
      t.ok(block < LONGEST_BLOCK, `${title}, ${kind}: ${block} ms`)
      t.ok(bytes < EVENT_BYTES, `${title}, ${kind}: ${bytes} bytes`)
      t.equal(bytes > 0, title in valid, `${title}, ${kind}: whether it is shown`)
    }
  }
})

t.test('Messages that come together block nobody, however many they are', async (t) => {
  const { talk, mallory, store, give } = await listening(t)
  let n = 0
  const { block, bytes } = await costOf(store, async () => {
    const messages = await Promise.all(
      Array.from({ length: 200 }, () => seal(talk, mallory, plain(++n, 'x', nested(5000))))
    )
    return () => give(messages)
  })
  t.ok(block < LONGEST_BLOCK, `${block} ms`)
  t.ok(bytes < 200 * 64, `${bytes} bytes`)
})

t.test('Welcomes of a stranger fill no store, however many groups they name', async (t) => {
  const { talk, mallory, store, give } = await listening(t, 'direct')
  let n = 0
  const count = async (): Promise<number> => (await store.list('')).length
  const welcomes = async (): Promise<void> => {
    const ends = Array.from({ length: 100 }, () => {
      return `"conversation":"${randomUUID()}","sequence":9,"head":"${HASH}"`
    })
    await give(await Promise.all(ends.map((end) => seal(talk, mallory, plain(++n, 'welcome', end)))))
  }
  await welcomes()
  const before = await count()
  await welcomes()
  t.ok((await count()) - before < 10, 'another hundred takes the place of the first')
})

t.test('A page of history as large as an honest server makes it blocks nobody', async (t) => {
  const { server, bob, talk, mallory, store } = await scene(t, ['mallory'])
  for (let n = 1; n <= 190; n++) talk.serve(mallory, await seal(talk, mallory, plain(n, 'x', nested(4000))))
  const body = JSON.stringify({ items: talk.conversation.messages, deleted: [], next: null })
  const headers = { 'content-type': 'application/json' }
  server.lies.push(({ path }) => (path.endsWith('/messages') ? new Response(body, { headers }) : undefined))
  const { block } = await costOf(store, async () => () => told(bob, talk.id))
  t.ok(block < LONGEST_BLOCK, `${block} ms`)
  t.equal((await told(bob, talk.id)).length, 190)
})

t.test('Counters that jump cost no more than those that do not', async (t) => {
  const { talk, mallory, store, give } = await listening(t)
  let n = 0
  for (const step of [64, 65, 1000, 2 ** 16]) {
    const { block, bytes } = await costOf(store, async () => {
      const messages = await Promise.all(
        Array.from({ length: 4 }, () => seal(talk, mallory, plain((n += step), 'x', '"a":1')))
      )
      return () => give(messages)
    })
    t.ok(block < LONGEST_BLOCK, `${step} ahead: ${block} ms`)
    t.ok(bytes < 4 * MEMBER_BYTES, `${step} ahead: ${bytes} bytes`)
  }
})

t.test('A client reads in turns what it saw of a long conversation', async (t) => {
  const { server, bob, talk, alice, store } = await scene(t, ['alice'])
  await bob.conversations.get(talk.id)
  await bob.close()
  const { fingerprint } = alice.device.signing
  await store.update((tx) => {
    for (let page = 1; page < 4096; page++)
      tx.set(
        `seen/${talk.id}/${talk.key.hash}/${fingerprint}/${page}`,
        crypto.getRandomValues(new Uint8Array(64 * 39))
      )
  })
  await talk.say(alice, 'the first one', 1)
  const { block } = await costOf(store, async () => {
    const again = await fakeClient(t, server, { store })
    await again.conversations.get(talk.id)
    return () => told(again, talk.id)
  })
  t.ok(block < LONGEST_BLOCK, `${block} ms`)
})

t.test('Events as large as the stream takes them block nobody, and leave nothing behind', async (t) => {
  const { server, talk, store, give } = await listening(t)
  const { statement } = talk.conversation.key
  const ids = Array.from({ length: 25_000 }, () => randomUUID())
  const large: [event: string, data: object][] = [
    ['session-key.shared', { conversationId: talk.id, sessionKeyId: randomUUID(), deviceIds: ids }],
    ['device.requested', { deviceId: randomUUID(), name: 'x'.repeat(900_000), statement }],
    [
      'device.chain',
      { userId: randomUUID(), username: 'alice', sequence: 1, statement: { ...statement, more: ids } }
    ],
    [
      'conversation.chain',
      { conversationId: talk.id, sequence: 9, items: Array.from({ length: 900 }, () => statement) }
    ],
    [
      'conversation.created',
      { conversationId: randomUUID(), kind: 'group', items: Array.from({ length: 900 }, () => statement) }
    ],
    ['presence', { username: 'alice', online: true, at: TIME, more: ids }],
    ['unknown', { ids }]
  ]
  for (const [event, data] of large) {
    const { block, bytes } = await costOf(store, async () => {
      const position = ++server.log.position
      const frame = `id: aaaaaaaa-${position}\nevent: ${event}\ndata: ${JSON.stringify({ ...data, position })}\n\n`
      return async () => {
        server.log.send('bob', frame)
        await give([])
      }
    })
    t.ok(block < LONGEST_BLOCK, `${event}: ${block} ms`)
    t.ok(bytes < 1024, `${event}: ${bytes} bytes`)
  }
})
