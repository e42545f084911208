import fc, { type Arbitrary } from 'fast-check'

/** A schema of the OpenAPI document, as far as requests use it. */
export interface Schema {
  readonly $ref?: string
  readonly type?: string | readonly string[]
  readonly enum?: readonly unknown[]
  readonly const?: unknown
  readonly oneOf?: readonly Schema[]
  readonly pattern?: string
  readonly format?: string
  readonly minLength?: number
  readonly maxLength?: number
  readonly minimum?: number
  readonly maximum?: number
  readonly minItems?: number
  readonly maxItems?: number
  readonly items?: Schema
  readonly properties?: Readonly<Record<string, Schema>>
  readonly required?: readonly string[]
}

/** Values that exist on the server, by the name of the property or parameter that takes them. */
export type Pool = Readonly<Record<string, readonly unknown[]>>

/** Values that fit a schema; by name three of four are of the pool. */
export function valuesOf(
  schema: Schema,
  named: Readonly<Record<string, Schema>>,
  pool: Pool,
  name = ''
): Arbitrary<unknown> {
  const known = pool[name] ?? []
  const made = make(schema, named, pool, name)
  if (known.length === 0) return made
  return fc.oneof({ weight: 3, arbitrary: fc.constantFrom(...known) }, { weight: 1, arbitrary: made })
}

function make(
  schema: Schema,
  named: Readonly<Record<string, Schema>>,
  pool: Pool,
  name: string
): Arbitrary<unknown> {
  const inner = (of: Schema, as = name) => valuesOf(of, named, pool, as)
  if (schema.$ref !== undefined) return inner(named[schema.$ref.replace('#/components/schemas/', '')]!)
  if (schema.const !== undefined) return fc.constant(schema.const)
  if (schema.enum !== undefined) return fc.constantFrom(...schema.enum)
  if (schema.oneOf !== undefined) return fc.oneof(...schema.oneOf.map((one) => inner(one)))
  const types = [schema.type ?? 'object'].flat()
  if (types.length > 1) return fc.oneof(...types.map((type) => inner({ ...schema, type })))
  switch (types[0]) {
    case 'null':
      return fc.constant(null)
    case 'boolean':
      return fc.boolean()
    case 'integer':
    case 'number':
      return fc.integer({ min: schema.minimum ?? -10, max: schema.maximum ?? 1_000_000 })
    case 'string':
      return strings(schema)
    case 'array': {
      const { items = {}, minItems: minLength = 0, maxItems = 3 } = schema
      return fc.array(inner(items), { minLength, maxLength: Math.max(minLength, Math.min(3, maxItems)) })
    }
    default: {
      const fields = Object.entries(schema.properties ?? {}).map(
        ([key, of]) => [key, inner(of, key)] as const
      )
      return fc.record(Object.fromEntries(fields), { requiredKeys: [...(schema.required ?? [])] })
    }
  }
}

function strings({ pattern, format, minLength = 0, maxLength = minLength + 20 }: Schema): Arbitrary<string> {
  const length = { minLength, maxLength: Math.min(maxLength, minLength + 20) }
  if (format === 'byte') {
    const bytes = {
      minLength: Math.floor((minLength * 3) / 4),
      maxLength: Math.floor((length.maxLength * 3) / 4)
    }
    return fc.uint8Array(bytes).map((some) => Buffer.from(some).toString('base64'))
  }
  return pattern === undefined ? fc.string(length) : fc.stringMatching(new RegExp(pattern))
}

/** Values that no schema of the document wants in this place, or that are hard to take. */
const odd: Arbitrary<unknown> = fc.constantFrom<unknown>(
  null,
  true,
  0,
  -1,
  1e308,
  2 ** 53,
  '',
  ' ',
  '\0',
  'a\0b',
  '\ud800',
  '\u202e‮',
  '../../etc/passwd',
  "'; drop table users; --",
  '%00',
  'x'.repeat(100_000),
  [],
  {},
  [[[[[[[[]]]]]]]],
  { toString: 1 },
  Array.from({ length: 2000 }, () => 'x')
)

/** The same value with one fault somewhere in it: a part left out, replaced, added or doubled. */
export function broken(value: unknown): Arbitrary<unknown> {
  if (typeof value !== 'object' || value === null) return odd
  const copies = Array.isArray(value) ? [value.concat(value), value.toReversed()] : []
  const entries = Object.entries(value)
  const without = (key: string) =>
    Array.isArray(value)
      ? (value as unknown[]).filter((_, n) => String(n) !== key)
      : Object.fromEntries(entries.filter(([name]) => name !== key))
  const replaced = (key: string, by: unknown) =>
    Array.isArray(value)
      ? (value as unknown[]).map((item, n) => (String(n) === key ? by : item))
      : { ...value, [key]: by }
  const choices: Arbitrary<unknown>[] = [
    odd,
    odd.map((extra) => replaced('unknown', extra)),
    ...copies.map(fc.constant)
  ]
  if (entries.length > 0) {
    const place = fc.constantFrom(...entries.map(([key]) => key))
    choices.push(
      place.map(without),
      fc.tuple(place, odd).map(([key, by]) => replaced(key, by)),
      place.chain((key) => broken((value as Record<string, unknown>)[key]).map((by) => replaced(key, by)))
    )
  }
  return fc.oneof(...choices)
}
