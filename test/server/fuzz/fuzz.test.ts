import { randomInt } from 'node:crypto'
import fc, { type Arbitrary } from 'fast-check'
import { request as httpRequest } from 'node:http'
import t from 'tap'
import { Check } from 'typebox/schema'
import { namedSchemas } from '../../../src/protocol/named-schemas.js'
import { schemaName } from '../../../src/protocol/schema.js'
import { startTarget } from '../../support/bad-input.js'
import { operationFinder, type Paths } from '../../support/documented.js'
import { newAgent } from '../../support/interop/http.js'
import { Session, type Raw } from '../../support/interop/session.js'
import { conversation } from '../../support/people.js'
import type { InteropClient } from '../../support/interop/client.js'
import { broken, valuesOf, type Pool, type Schema } from '../../support/schema-values.js'

/** `FUZZ_REQUESTS=50000 FUZZ_SEED=…` sends more of them, or the same ones again. */
const REQUESTS = Number(process.env['FUZZ_REQUESTS'] ?? (process.env['FULL'] === undefined ? 1000 : 5000))
const SEED = Number(process.env['FUZZ_SEED'] ?? randomInt(2 ** 31))
const AT_ONCE = 8
const EXPORT = '/v1/users/me/export'
/** A long poll may take as long as it asks for; nothing else takes seconds. */
const ANSWER_MS = 60_000

interface Parameter {
  readonly name: string
  readonly in: 'path' | 'query' | 'header'
  readonly required?: boolean
  readonly schema: Schema
}
interface Operation {
  readonly method: string
  readonly path: string
  readonly parameters: readonly Parameter[]
  readonly body: { readonly media: string; readonly schema: Schema } | undefined
  readonly responses: Readonly<Record<string, { content?: Record<string, { schema?: Schema }> }>>
}
interface Shot {
  readonly method: string
  readonly path: string
  readonly headers: Record<string, string>
  readonly body: Buffer | null
  readonly caller: number
}

const named = Object.fromEntries(namedSchemas.map((schema) => [schemaName(schema)!, schema]))
const target = await startTarget(t)
type Document = Record<string, Record<string, Record<string, unknown>>>
const document = target.app.swagger().paths as Document
const operations = Object.entries(document).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, given]): Operation => {
    const content = (given['requestBody'] as { content?: Record<string, { schema: Schema }> } | undefined)
      ?.content
    const [media, entry] = Object.entries(content ?? {})[0] ?? []
    return {
      method: method.toUpperCase(),
      path,
      parameters: (given['parameters'] ?? []) as Parameter[],
      body: media === undefined ? undefined : { media, schema: entry!.schema },
      responses: given['responses'] as Operation['responses']
    }
  })
)
const operationOf = operationFinder(document as unknown as Paths)

/** Bodies that are right, of requests that honest clients have sent. */
const right = new Map<unknown, unknown[]>()
const raw = Reflect.get(Session.prototype, 'raw')
Session.prototype.raw = function record<T>(this: Session, method: string, path: string, what: Raw = {}) {
  const operation = operationOf(method, path)
  if (what.body !== undefined) right.set(operation, [...(right.get(operation) ?? []), what.body])
  return raw.call(this, method, path, what) as ReturnType<typeof raw<T>>
}

const people = [await target.user('alice'), await target.user('bobby'), await target.user('carol')]
const [alice, bobby, carol] = people as [Session & (typeof people)[0], (typeof people)[0], (typeof people)[0]]
const group = await conversation(alice, [bobby])
const direct = await conversation(bobby, [carol], 'direct')
await alice.send(group, 'Hello')
await bobby.send(direct, 'Hello')
await alice.newKey(group)
await alice.raw('POST', `/v1/conversations/${group}/messages`, { body: alice.seal(group, 'again') })
await carol.raw('POST', '/v1/auth/login', { body: { username: 'carol', password: carol.password } })
const { body: page } = await alice.poll('0')
const { body: keys } = await alice.raw<{ items: { id: string }[] }>(
  'GET',
  `/v1/conversations/${group}/session-keys`
)

const conversations = [group, direct]
const devices = people.map(({ deviceId }) => deviceId)
const names = people.map(({ username }) => username)
const pool: Pool = {
  id: [...conversations, ...devices],
  conversationId: conversations,
  keyId: keys.items.map(({ id }) => id),
  sessionKeyId: keys.items.map(({ id }) => id),
  deviceId: devices,
  username: names,
  user: names,
  after: ['0', 0, page.cursor, '1'],
  before: [1, 5, 1_000_000],
  cursor: [page.cursor],
  password: people.map(({ password }) => password),
  refreshToken: people.map(({ refreshToken }) => refreshToken)
}

const query = (values: Readonly<Record<string, unknown>>) => {
  const pairs = Object.entries(values).flatMap(([name, value]) =>
    [value].flat().map((one) => [name, typeof one === 'string' ? one : JSON.stringify(one)])
  )
  return pairs.length === 0 ? '' : `?${new URLSearchParams(pairs as [string, string][]).toString()}`
}

function parametersOf({ parameters }: Operation, place: Parameter['in']): Arbitrary<Record<string, unknown>> {
  const these = parameters.filter((parameter) => parameter.in === place)
  const values = these.map(({ name, schema }) => [
    name,
    valuesOf(
      name === 'wait' ? { ...schema, maximum: 1 } : schema,
      named as Record<string, Schema>,
      pool,
      name
    )
  ])
  return fc.record(Object.fromEntries(values) as Record<string, Arbitrary<unknown>>, {
    requiredKeys: these.filter(({ required }) => required === true).map(({ name }) => name)
  })
}

/** The value, or one of three times the value with a fault. */
const maybeBroken = (value: Arbitrary<unknown>) =>
  fc.oneof({ weight: 2, arbitrary: value }, { weight: 1, arbitrary: value.chain(broken) })

const seldom = <T>(value: Arbitrary<T>): Arbitrary<T | null> =>
  fc.oneof({ weight: 20, arbitrary: fc.constant(null) }, { weight: 1, arbitrary: value })

function bodyOf(operation: Operation): Arbitrary<Buffer | null> {
  const { body, method, path } = operation
  if (body === undefined)
    return fc.oneof(
      { weight: 9, arbitrary: fc.constant(null) },
      { weight: 1, arbitrary: fc.constant(Buffer.from('{}')) }
    )
  const known = right.get(operationOf(method, path)) ?? []
  const fitting = valuesOf(body.schema, named, pool)
  const values = known.length === 0 ? fitting : fc.oneof(fitting, fc.constantFrom(...known))
  const json = maybeBroken(values).map((value) => Buffer.from(JSON.stringify(value)))
  const bytes = fc.uint8Array({ maxLength: 64 }).map((some) => Buffer.from(some))
  const cut = json.map((whole) => whole.subarray(0, -1))
  return fc.oneof(
    { weight: 10, arbitrary: json },
    { weight: 1, arbitrary: bytes },
    { weight: 1, arbitrary: cut }
  )
}

/** The path with values in it; now and then with a value that no path should have. */
const filled = (path: string, values: Readonly<Record<string, unknown>>, spoilt: string | null) =>
  path.replace(/\{(\w+)\}/g, (_, name: string) => spoilt ?? encodeURIComponent(String(values[name])))

function shotAt(operation: Operation): Arbitrary<Shot> {
  const { method, path, body } = operation
  const spoilt = fc.constantFrom('%', '%00', '%ff', '..', '%2e%2e%2f', 'x'.repeat(300), 'NULL', '0')
  const media = body?.media ?? 'application/json'
  return fc
    .record({
      path: parametersOf(operation, 'path'),
      query: maybeBroken(parametersOf(operation, 'query')),
      header: parametersOf(operation, 'header'),
      spoilt: seldom(spoilt),
      body: bodyOf(operation),
      media: fc.oneof(
        { weight: 12, arbitrary: fc.constant(media) },
        {
          weight: 1,
          arbitrary: fc.constantFrom(
            'text/plain',
            'application/json; charset=latin1',
            '',
            'multipart/form-data'
          )
        }
      ),
      other: seldom(fc.constantFrom('PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE')),
      caller: fc.constantFrom(...people.keys(), ...people.keys(), ...people.keys(), -1, -2)
    })
    .map((made) => ({
      method: made.other ?? method,
      path: filled(path, made.path, made.spoilt) + query((made.query ?? {}) as Record<string, unknown>),
      headers: {
        ...Object.fromEntries(Object.entries(made.header).map(([name, value]) => [name, String(value)])),
        ...(made.body !== null && { 'content-type': made.media, 'content-length': String(made.body.length) })
      },
      body: made.body,
      caller: made.caller
    }))
}

interface Outcome {
  readonly status: number
  readonly media: string
  readonly text: string
}

const agent = newAgent(AT_ONCE)
t.teardown(() => agent.destroy())

/** One request; of a stream only what comes at once. */
function fire({ method, path, headers, body, caller }: Shot): Promise<Outcome> {
  const token = caller >= 0 ? people[caller]!.accessToken : caller === -1 ? 'garbage' : undefined
  const authorization = token === undefined ? {} : { authorization: `Bearer ${token}` }
  return new Promise((resolve, reject) => {
    const request = httpRequest(new URL(target.url), {
      method,
      path,
      agent,
      headers: { ...headers, ...authorization }
    })
    request.setTimeout(ANSWER_MS, () => request.destroy(new Error('no answer')))
    request.on('error', reject)
    request.on('response', (response) => {
      const { statusCode: status = 0 } = response
      const media = response.headers['content-type']?.split(';')[0] ?? ''
      const chunks: Buffer[] = []
      const done = () => resolve({ status, media, text: Buffer.concat(chunks).toString() })
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('end', done)
      response.on('error', reject)
      if (media !== 'text/event-stream') return
      response.removeAllListeners('error').on('error', () => undefined)
      response.destroy()
      done()
    })
    request.end(body ?? undefined)
  })
}

/** What is wrong with an answer; null if nothing is. */
function faultOf({ method, path }: Shot, { status, media, text }: Outcome): string | null {
  if (status >= 500 && !(status === 501 && method === 'TRACE')) return `answers ${status}`
  const operation = operationOf(method, path) as unknown as Operation | undefined
  if (operation === undefined || method === 'HEAD') return null
  const answer = operation.responses[status]
  if (answer === undefined) return `answers ${status}, which the document does not name`
  const schema = answer.content?.[media]?.schema
  if (schema === undefined)
    return text === '' ? null : `answers ${status} as ${media}, which the document does not name`
  if (!media.endsWith('json')) return null
  const name = schema.$ref?.replace('#/components/schemas/', '')
  return name === undefined || Check(named, named[name]!, JSON.parse(text))
    ? null
    : `answers no ${name}: ${text}`
}

let newcomers = 0

/** A shot may have ended the session of its caller, or revoked the device. */
async function signedIn(caller: number): Promise<void> {
  const person = people[caller]
  if (person === undefined) return
  const { status } = await person.raw('GET', '/v1/users/me')
  if (status === 401) people[caller] = await target.user(`again.${newcomers++}`)
}

/** An export ends early if its session does, which another shot may bring about. */
async function isCutExport({ path }: Shot, by: InteropClient | undefined): Promise<boolean> {
  return path.startsWith(EXPORT) && (await by?.raw('GET', '/v1/users/me'))?.status === 401
}

t.test(`${REQUESTS} requests made from the document, right and wrong (FUZZ_SEED=${SEED})`, async (t) => {
  const shots = operations.map(shotAt)
  const faults: string[] = []
  const statuses = new Map<number, number>()
  const next = fc.sample(fc.oneof(...shots), { numRuns: REQUESTS, seed: SEED }).values()
  async function gun(): Promise<void> {
    for (const shot of next) {
      const by = people[shot.caller]
      const outcome = await fire(shot).catch((error: unknown) => String(error))
      if (typeof outcome !== 'string') statuses.set(outcome.status, (statuses.get(outcome.status) ?? 0) + 1)
      const fault = typeof outcome === 'string' ? outcome : faultOf(shot, outcome)
      if (fault !== null && !(fault === outcome && (await isCutExport(shot, by))))
        faults.push(
          `${shot.method} ${shot.path.slice(0, 200)} ${shot.body?.toString().slice(0, 300) ?? ''}: ${fault}`
        )
      if (typeof outcome !== 'string' && outcome.status === 401) await signedIn(shot.caller)
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, gun))
  t.comment(
    [...statuses]
      .sort(([one], [other]) => one - other)
      .map(([status, count]) => `${count} × ${status}`)
      .join(', ')
  )
  t.strictSame(faults, [], 'every answer is one that the document names, and none is a failure of the server')
  t.strictSame(target.log, [], 'and the server has nothing to complain about')
  t.ok(
    [...statuses].some(([status]) => status < 300),
    'some requests succeed'
  )
})
