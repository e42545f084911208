interface Operation {
  requestBody?: unknown
  responses?: unknown
}

/** As much of an OpenAPI document as is needed here. */
export interface ApiDocument {
  paths?: Record<string, Record<string, Operation>>
  components?: { schemas?: Record<string, unknown> }
}

/**
 * The document with open answers: a client must ignore members that it does not know, or a newer server would
 * break it. Request bodies stay closed, since the server refuses members that it does not know.
 */
export function openAnswers<D extends ApiDocument>(document: D): D {
  const { paths = {}, components = {} } = document
  const schemas = components.schemas ?? {}
  const asked = new Set<string>()
  for (const operations of Object.values(paths))
    for (const { requestBody } of Object.values(operations)) collect(requestBody, schemas, asked)
  return {
    ...document,
    components: {
      ...components,
      schemas: mapped(schemas, (schema, name) => (asked.has(name) ? schema : open(schema)))
    },
    paths: mapped(paths, (operations) =>
      mapped(operations, (operation) => ({ ...operation, responses: open(operation.responses) }))
    )
  }
}

function mapped<V>(values: Record<string, V>, change: (value: V, name: string) => V): Record<string, V> {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, change(value, name)]))
}

function open(node: unknown): unknown {
  if (Array.isArray(node)) return node.map(open)
  if (typeof node !== 'object' || node === null) return node
  const members = Object.entries(node).filter(
    ([name, value]) => !(name === 'additionalProperties' && value === false)
  )
  return Object.fromEntries(members.map(([name, value]) => [name, open(value)]))
}

/** Add the names of the schemas that a part of the document refers to, directly or through others. */
function collect(node: unknown, schemas: Record<string, unknown>, names: Set<string>): void {
  if (typeof node !== 'object' || node === null) return
  for (const [key, value] of Object.entries(node)) {
    if (key !== '$ref') collect(value, schemas, names)
    else {
      const name = String(value).replace('#/components/schemas/', '')
      if (names.has(name)) continue
      names.add(name)
      collect(schemas[name], schemas, names)
    }
  }
}
