import t from 'tap'
import { Check } from 'typebox/schema'
import { durableEvents, ephemeralEvents } from '../../../src/protocol/events.js'
import { namedSchemas } from '../../../src/protocol/named-schemas.js'
import { schemaName } from '../../../src/protocol/schema.js'
import { cheapKeys } from '../../support/bad-input.js'
import type { Statement } from '../../support/interop/chains.js'
import { InteropClient } from '../../support/interop/client.js'
import { conversation, user } from '../../support/people.js'
import { promote } from '../../support/admin.js'
import { expect, type Answer } from '../../support/interop/http.js'
import { startChat } from '../../support/start-chat.js'

const named = Object.fromEntries(namedSchemas.map((schema) => [schemaName(schema)!, schema]))
const chat = await startChat(t)
const alice = await user(t, chat, 'alice')
const bob = await user(t, chat, 'bob')

type Responses = Record<string, { content?: Record<string, { schema: { $ref?: string } }> }>
const paths = chat.app.swagger().paths as Record<string, Record<string, { responses: Responses }>>

/** The schema that the document names for an answer, closed as it is in the server. */
function schemaOf(path: string, method: string, { status, headers }: Answer<unknown>) {
  const media = headers['content-type']!.split(';')[0]!
  const { $ref } = paths[path]![method]!.responses[status]!.content![media]!.schema
  return named[$ref!.replace('#/components/schemas/', '')]!
}

await promote(chat, alice)
const id = await conversation(alice, [bob], 'direct')
expect(await alice.send(id, 'Hello'), 201)
expect(await alice.newKey(id), 201)
const stream = await alice.live({ after: '0' })
const phone = await InteropClient.create(chat.url, 'alice', { keys: cheapKeys(), password: alice.password })
t.teardown(() => phone.close())
expect(await phone.login(false), 200)
expect(await phone.addDevice(), 202)
const { data } = await stream.waitFor(({ event }) => event === 'device.requested')
expect(await alice.approve(data['statement'] as Statement), 200)
const { body: keys } = expect(
  await alice.raw<{ items: { id: string }[] }>('GET', `/v1/conversations/${id}/session-keys`),
  200
)
const values: Record<string, string> = { id, keyId: keys.items[0]!.id, username: 'bob' }
const queries: Record<string, string> = {
  '/v1/events/page': '?after=0',
  '/v1/presence': '?user=bob',
  '/v1/users': '?prefix=bob'
}

const reading = Object.entries(paths).flatMap(([path, { get }]) => {
  const media = Object.keys(get?.responses['200']?.content ?? {})
  return media.includes('application/json') ? [path] : []
})

for (const path of reading)
  t.test(`GET ${path} answers exactly what the document says`, async (t) => {
    const filled = path.replace(/\{(\w+)\}/g, (_, name: string) => values[name]!)
    const answer = expect(await alice.raw('GET', `${filled}${queries[path] ?? ''}`), 200)
    t.ok(Check(named, schemaOf(path, 'get', answer), answer.body), JSON.stringify(answer.body))
  })

t.test('Each event of a stream has exactly the data that the document says', async (t) => {
  await stream.waitFor(({ event }) => event === 'device.chain')
  for (const { event, data } of stream.received) {
    const schema = { ...durableEvents, ...ephemeralEvents }[event as 'message']
    t.ok(Check(named, schema, data), `${event}: ${JSON.stringify(data)}`)
  }
  const seen = new Set(stream.received.map(({ event }) => event))
  for (const event of ['ready', 'message', 'conversation.created', 'conversation.chain', 'device.requested'])
    t.ok(seen.has(event), event)
  stream.close()
})

t.test('The id of a request does not tell how many there were', async (t) => {
  const idOf = async (path: string) => (await alice.raw<{ instance: string }>('GET', path)).body.instance
  const ids = await Promise.all(['/none', '/v1/none', '/v1/users/nobody'].map(idOf))
  const random = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/
  for (const id of ids) t.match(id, random)
  t.equal(
    new Set(ids.flatMap((id) => [id.slice(0, 8), id.slice(-12)])).size,
    6,
    'nothing of them comes again'
  )
})
