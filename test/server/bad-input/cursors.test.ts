import t from 'tap'
import { startTarget, type Case } from '../../support/bad-input.js'
import { envelope, say } from '../../support/conversations.js'
import { expect, type Answer } from '../../support/interop/http.js'
import type { EventsOptions } from '../../support/interop/events.js'

const target = await startTarget(t)
const { refuses } = target
const alice = await target.user('alice')
const { id: group } = await alice.createConversation('group', [])
const send = async () =>
  expect(await say<{ position: number }>(alice, group, await envelope(alice, group)), 201).body
await send()

const invalid = '400 invalid-request'
const badCursor = '400 invalid-cursor'
const get = (path: string, headers: Record<string, string> = {}) => alice.raw('GET', path, { headers })
const { body: bounds } = expect(await alice.poll('0'), 200)
const { cursor: last } = bounds
const epoch = last.split('-')[0]!
const otherEpoch = epoch === '00000000' ? '00000001' : '00000000'
const oldest = Number(bounds.items[0]!.data['position'])
const newest = Number(last.split('-')[1])

const garbage = [
  'abc',
  '-1',
  '1',
  '00',
  '-',
  `${epoch}`,
  `${epoch}-`,
  `${epoch}--1`,
  `${epoch}-01`,
  `${epoch}-1.5`,
  `${epoch}-1e3`,
  `${epoch}-0x1`,
  `${epoch}-9007199254740992`,
  `${epoch}-9223372036854775808`,
  `${epoch}-1${'0'.repeat(30)}`,
  `${epoch.toUpperCase()}A-1`,
  `${epoch}0-1`,
  `${epoch}-1-1`,
  "0' or '1'='1",
  '٠'
]

t.test('A cursor that this service never made is refused', async (t) => {
  await refuses(t, [
    ...['', '/page'].flatMap((page) =>
      garbage.map((cursor): Case => [
        `${page} after=${cursor}`,
        badCursor,
        () => get(`/v1/events${page}?after=${encodeURIComponent(cursor)}`)
      ])
    ),
    ...garbage
      .filter((cursor) => /^[\x20-\x7e]+$/.test(cursor))
      .map((cursor): Case => [
        `Last-Event-ID: ${cursor}`,
        badCursor,
        () => get('/v1/events', { 'last-event-id': cursor })
      ]),
    ['nothing after `after=`', badCursor, () => get('/v1/events?after=')],
    ['a NUL in a cursor', badCursor, () => get(`/v1/events?after=${last}%00`)],
    ['a line break in a cursor', badCursor, () => get(`/v1/events?after=${last}%0A`)],
    ['a space before a cursor', badCursor, () => get(`/v1/events?after=%20${last}`)],
    ['a cursor of 1,025 characters', invalid, () => get(`/v1/events?after=${'1'.repeat(1025)}`)],
    ['two cursors', invalid, () => get(`/v1/events?after=0&after=${last}`)],
    ['a list of cursors', invalid, () => get('/v1/events?after[]=0')],
    [
      'a bad header, whatever the address says',
      badCursor,
      () => get(`/v1/events?after=${last}`, { 'last-event-id': 'x' })
    ],
    ['a wait for a stream', invalid, () => get('/v1/events?wait=1'), /wait/]
  ])
})

t.test('A poll waits up to 45 seconds for up to 200 events', async (t) => {
  const query = (text: string) => get(`/v1/events/page?${text}`)
  await refuses(t, [
    ...['46', '-1', 'abc', '1.5', '', 'Infinity', '1e30', '5%00'].map((wait): Case => [
      `wait=${wait}`,
      invalid,
      () => query(`wait=${wait}`),
      /querystring\/wait/
    ]),
    ...['0', '201', '-1', 'abc', '1.5', '', 'Infinity'].map((limit): Case => [
      `limit=${limit}`,
      invalid,
      () => query(`limit=${limit}`),
      /querystring\/limit/
    ]),
    ['wait twice', invalid, () => query('wait=1&wait=1')],
    ['a question that is unknown', invalid, () => query('types=message'), /types/],
    ['a token', invalid, () => query(`access_token=${alice.accessToken}`), /access_token/]
  ])
})

t.test('A cursor from another log, or from the future, gets `reset`, and the reader continues', async (t) => {
  const lost: [string, EventsOptions][] = [
    ['of another epoch', { after: `${otherEpoch}-${newest}` }],
    ['of another epoch, at its beginning', { after: `${otherEpoch}-0` }],
    ['of another epoch, in the header', { lastEventId: `${otherEpoch}-${newest}` }],
    ['from the future', { after: `${epoch}-${newest + 1}` }],
    ['from the far future', { after: `${epoch}-9007199254740991` }]
  ]
  for (const [which, options] of lost) {
    const stream = alice.events({ ...options, resume: false })
    const reset = await stream.waitFor(({ event }) => event === 'reset', 'reset')
    const id = `${epoch}-${oldest - 1}`
    t.strictSame(reset, { id, event: 'reset', data: { position: oldest } }, `a cursor ${which}`)
    await stream.until(() => stream.durable().length === bounds.items.length, 'all that is kept')
    t.strictSame(
      stream.durable().map(({ data }) => data['position']),
      bounds.items.map(({ data }) => data['position']),
      'then comes all that is kept'
    )
    stream.close()
  }

  const stream = alice.events({ after: `${otherEpoch}-5`, resume: false })
  await stream.waitFor(({ event }) => event === 'reset', 'reset')
  const { position } = await send()
  await stream.waitFor(({ data }) => data['position'] === position, 'what is sent later')
  t.equal(stream.received.filter(({ event }) => event === 'reset').length, 1)
  stream.close()

  const { body } = expect(await alice.poll(`${otherEpoch}-5`, 5), 200)
  t.strictSame(
    body.items.slice(0, 2).map(({ event, data }) => [event, data['position']]),
    [
      ['reset', oldest],
      ['conversation.created', oldest]
    ]
  )
})

t.test('A list accepts only cursors that it gave out', async (t) => {
  const lists: [path: string, cursors: string[]][] = [
    ['/v1/conversations', ['abc', '-1', '0', '01', '1.5', '12345678901234567', '1%00', 'NaN']],
    [`/v1/conversations/${group}/session-keys`, ['abc', '-1', '1.5', '1234567890123456', '1%00', '1e3']],
    [`/v1/conversations/${group}/chain`, ['abc', '-1', '1.5', '1234567890', '1%00', '']],
    ['/v1/users', ['abc%00', '1bc', 'a', 'ABC', '%25']]
  ]
  const at = (path: string, query: string) =>
    get(`${path}?${path === '/v1/users' ? 'prefix=ali&' : ''}${query}`)
  await refuses(
    t,
    lists.flatMap(([path, cursors]): Case[] => [
      ...cursors.map((cursor): Case => [
        `${path} from cursor ${cursor}`,
        badCursor,
        () => at(path, `cursor=${cursor}`)
      ]),
      [`${path} from two cursors`, invalid, () => at(path, 'cursor=1&cursor=2')],
      [`${path} from a long cursor`, invalid, () => at(path, `cursor=${'1'.repeat(1025)}`)],
      ...['0', '201', '-1', 'abc', '1.5', 'Infinity', '-Infinity', 'NaN', '1e30', ''].map((limit): Case => [
        `${path} with limit=${limit}`,
        invalid,
        () => at(path, `limit=${limit}`),
        /querystring\/limit/
      ])
    ])
  )
  const chain = (after: string): Promise<Answer<unknown>> =>
    get(`/v1/conversations/${group}/chain?after=${after}`)
  await refuses(
    t,
    ['abc', '-1', '1.5', 'Infinity', '9007199254740992'].map((after): Case => [
      `a chain after ${after}`,
      invalid,
      () => chain(after)
    ])
  )
  for (const after of ['2147483648', '9007199254740991']) t.match((await chain(after)).body, { items: [] })
})

t.test('The log stays empty after all of this', async (t) => {
  t.strictSame(target.log, [])
})
