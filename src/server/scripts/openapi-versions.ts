type Members = Record<string, unknown>

interface Described {
  info: { license: { name: string; identifier: string } }
}

/** Keywords of JSON Schema that OpenAPI 3.0 does not know. They only say more about what stands there anyway. */
const LATER = ['propertyNames', 'contentMediaType', 'contentSchema']

/** The document for tools that know no more than OpenAPI 3.0. */
export function toOpenApi30(document: object): object {
  const { info, ...rest } = rewrite(document, inOpenApi30) as Described
  const { name, identifier } = info.license
  const license = { name, url: `https://spdx.org/licenses/${identifier}.html` }
  return { ...rest, openapi: '3.0.4', info: { ...info, license } }
}

function inOpenApi30(members: Members): Members {
  const { type, examples } = members
  const kept = Object.entries(members).filter(([name]) => !LATER.includes(name))
  const schema: Members = Object.fromEntries(kept)
  if (Array.isArray(type)) {
    schema['type'] = type.find((name) => name !== 'null')
    schema['nullable'] = true
  }
  if (Array.isArray(examples)) {
    delete schema['examples']
    schema['example'] = examples[0]
  }
  return schema
}

/** The document for tools that know OpenAPI 3.2, which says of a stream what each of its events is. */
export function toOpenApi32(document: object): object {
  return { ...(rewrite(document, inOpenApi32) as object), openapi: '3.2.0' }
}

const STREAM = 'text/event-stream'

function inOpenApi32(members: Members): Members {
  const stream = members[STREAM] as { schema: { contentSchema: unknown } } | undefined
  return stream === undefined
    ? members
    : { ...members, [STREAM]: { itemSchema: stream.schema.contentSchema } }
}

/** The same with each object changed, the inner ones first. */
function rewrite(node: unknown, change: (members: Members) => Members): unknown {
  if (Array.isArray(node)) return node.map((item) => rewrite(item, change))
  if (typeof node !== 'object' || node === null) return node
  const members = Object.entries(node).map(([name, value]) => [name, rewrite(value, change)])
  return change(Object.fromEntries(members) as Members)
}
