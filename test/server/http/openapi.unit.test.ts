import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'

type Node = Record<string, unknown>

interface Operation {
  operationId?: string
  tags?: string[]
  summary?: string
  requestBody?: { content: Record<string, { schema: Node }> }
  responses: Record<string, { content?: Record<string, { schema?: Node; itemSchema?: Node }> }>
}

interface Document {
  openapi: string
  info: Node
  servers: { url: string; variables: Node }[]
  paths: Record<string, Record<string, Operation>>
  components: { schemas: Record<string, Node> }
}

const read = (name: string) =>
  JSON.parse(readFileSync(join(import.meta.dirname, '../../../../openapi', name), 'utf8')) as Document
const document = read('openapi.json')
const older = read('openapi-3.0.json')
const newer = read('openapi-3.2.json')
const { schemas } = document.components

/** Every object below a node, with its path. */
function* objects(node: unknown, path = ''): Generator<[path: string, members: Node]> {
  if (typeof node !== 'object' || node === null) return
  if (!Array.isArray(node)) yield [path, node as Node]
  for (const [name, value] of Object.entries(node)) yield* objects(value, `${path}/${name}`)
}

const operations = ({ paths }: Document) =>
  Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ name: `${method} ${path}`, ...operation }))
  )

/** The paths of all objects for which this holds. */
const where = (holds: (members: Node, path: string) => boolean, node: unknown = document) =>
  [...objects(node)].filter(([path, members]) => holds(members, path)).map(([path]) => path)

const refOf = (schema?: Node) =>
  (schema?.['$ref'] as string | undefined)?.replace('#/components/schemas/', '')

/** The names of the schemas that a node refers to, directly or through others. */
function reached(node: unknown, names = new Set<string>()): Set<string> {
  for (const [, members] of objects(node)) {
    const name = typeof members['$ref'] === 'string' ? refOf(members)! : undefined
    if (name !== undefined && !names.has(name)) reached(schemas[name], names.add(name))
  }
  return names
}

const bodies = operations(document).map(({ requestBody }) => requestBody)
const answers = operations(document).map(({ responses }) => responses)

t.test('A pattern means the same in every language', async (t) => {
  const patterns = new Set(
    [...objects(document)].map(([, { pattern }]) => pattern).filter((pattern) => typeof pattern === 'string')
  )
  t.ok(patterns.size > 5)
  for (const pattern of patterns) {
    t.doesNotThrow(() => [new RegExp(pattern), new RegExp(pattern, 'u')])
    // No escapes, no groups but plain ones, nothing beyond visible ASCII.
    t.match(pattern, /^\^(?:(?!\(\?[^:])[\x21-\x5b\x5d-\x7e])+\$$/)
  }
  for (const text of [document, older, newer].map((one) => JSON.stringify(one)))
    t.notMatch(text, /\\u00[01]|\\\\p\{/i, 'no control characters, no property escapes')
})

t.test('A schema with `enum` names its type, and null is a second type', async (t) => {
  const isSchema = ({ enum: words }: Node) => Array.isArray(words)
  t.ok(where(isSchema).length > 10)
  t.strictSame(
    where((members) => isSchema(members) && members['type'] === undefined),
    []
  )
  const isNull = ({ type, nullable }: Node) => type === 'null' || nullable !== undefined
  t.strictSame(where(isNull), [])
  const lists = [...objects(document)].map(([, { type }]) => type).filter(Array.isArray)
  t.ok(lists.length > 0)
  for (const list of lists) t.match(list, [String, 'null'])
})

t.test('Integers that can have more than 32 bits say so', async (t) => {
  const isLarge = ({ type, maximum }: Node) => type === 'integer' && Number(maximum ?? 0) >= 2 ** 31
  t.ok(where(isLarge).length > 10)
  t.strictSame(
    where((members) => isLarge(members) && members['format'] !== 'int64'),
    []
  )
  t.strictSame(
    where(
      ({ type, format }, path) =>
        /[pP]osition$|joinedAt$/.test(path) && type === 'integer' && format !== 'int64'
    ),
    []
  )
})

t.test('Each operation has a name, a tag, a summary and its problems', async (t) => {
  const names = operations(document).map(({ operationId }) => operationId)
  t.equal(new Set(names).size, operations(document).length)
  for (const { name, tags, summary, responses } of operations(document)) {
    t.match({ tags, summary }, { tags: [String], summary: String }, name)
    for (const status of ['400', '408', '429', '431', '500', '503'])
      t.ok(responses[status], `${name} can fail with ${status}`)
    for (const [status, { content = {} }] of Object.entries(responses))
      if (status >= '400')
        t.equal(refOf(content['application/problem+json']?.schema), 'Problem', `${name} ${status}`)
  }
})

t.test('Bodies, answers and events are schemas with names', async (t) => {
  for (const { name, requestBody, responses } of operations(document))
    for (const { content = {} } of [requestBody ?? {}, ...Object.values(responses)])
      for (const [type, { schema }] of Object.entries(content))
        if (/[/+]json$/.test(type)) t.ok(schemas[refOf(schema)!], `${name}: ${type}`)
  for (const name of ['EventItem', 'StreamedEvent']) {
    const { oneOf, discriminator } = schemas[name] as { oneOf: Node[]; discriminator: Node }
    const mapping = oneOf.map((one) => {
      const { properties } = schemas[refOf(one)!] as { properties: { event: { enum: [string] } } }
      return [properties.event.enum[0], one['$ref']]
    })
    t.strictSame(discriminator, { propertyName: 'event', mapping: Object.fromEntries(mapping) as Node })
  }
})

t.test('Request bodies are closed, and answers are open', async (t) => {
  const isObject = ({ type }: Node) => type === 'object' || (Array.isArray(type) && type[0] === 'object')
  const asked = reached(bodies)
  t.ok(asked.size > 10)
  for (const name of asked)
    t.strictSame(
      where((members) => isObject(members) && members['additionalProperties'] === undefined, schemas[name]),
      [],
      `${name} is closed`
    )
  const answered = [...reached(answers), ...reached(schemas['StreamedEvent'])]
  t.ok(answered.length > 30)
  for (const name of answered)
    t.strictSame(
      where(({ additionalProperties }) => additionalProperties === false, schemas[name]),
      [],
      name
    )
})

t.test('The origin of the server is a variable', async (t) => {
  for (const { servers } of [document, older, newer])
    t.match(servers, [{ url: '{origin}', variables: { origin: { default: /^http/ } } }])
})

t.test('The document in OpenAPI 3.0 has no keyword that came later', async (t) => {
  t.match(older.openapi, /^3\.0\./)
  const later = [
    'const',
    'propertyNames',
    'patternProperties',
    'contentMediaType',
    'contentEncoding',
    'contentSchema'
  ]
  t.strictSame(
    where((members) => later.some((name) => typeof members[name] !== 'undefined'), older),
    []
  )
  t.strictSame(
    where(({ type }) => Array.isArray(type), older),
    []
  )
  t.strictSame(
    where(({ examples }) => Array.isArray(examples), older),
    []
  )
  t.strictSame(
    where(({ exclusiveMinimum: bound }) => typeof bound === 'number', older),
    []
  )
  t.match(older.components.schemas['UserPage'], {
    properties: { next: { type: 'string', nullable: true } }
  })
  t.strictSame(Object.keys(older.paths), Object.keys(document.paths))
})

t.test('The document in OpenAPI 3.2 says what each event of the stream is', async (t) => {
  t.match(newer.openapi, /^3\.2\./)
  const streams = operations(newer).flatMap(
    ({ responses }) => responses['200']?.content?.['text/event-stream'] ?? []
  )
  t.strictSame(streams, [{ itemSchema: { $ref: '#/components/schemas/StreamedEvent' } }])
})

/** Texts of a request that the server parses to the last character, or only hashes. */
const PARSED = [
  ...['EncryptionKeyRequest', 'NewDevice', 'StatementKeys'].map((name) => `${name}/properties/encryptionKey`),
  ...['NewDevice', 'StatementKeys'].map((name) => `${name}/properties/signingKey`),
  'NewSignedStatement/properties/text',
  'PasswordReset/properties/token',
  'RefreshRequest/properties/refreshToken',
  'Registration/properties/invite',
  'RegistrationCheck/properties/invite'
]

t.test('Each text of a request has a form: no other is stored', async (t) => {
  const isFree = ({ type, pattern, format, enum: values }: Node) =>
    type === 'string' && pattern === undefined && format === undefined && values === undefined
  const free = [...reached(bodies)].flatMap((name) =>
    where(isFree, schemas[name]).map((path) => `${name}${path}`)
  )
  t.strictSame(free.sort(), PARSED.sort())
})
