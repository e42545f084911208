import type { Static, TSchema } from 'typebox'
import { Check } from 'typebox/schema'
import { answerSchemas } from '../../protocol/answer-schemas.js'
import { schemaName } from '../../protocol/schema.js'
import { ChatError } from '../errors.js'

/**
 * The protocol's schemas for responses, opened: a response may have members that this client does not know,
 * so that it works with a newer server. References are resolved once: to follow them takes longer than the rest of
 * a check.
 */
const opened = new WeakMap<TSchema, TSchema>()
const named = new Map(answerSchemas.map((schema) => [schemaName(schema)!, schema]))

function open(node: unknown): unknown {
  if (Array.isArray(node)) return node.map(open)
  if (typeof node !== 'object' || node === null) return node
  if ('$ref' in node) return open(named.get(String(node.$ref))!)
  const members = Object.entries(node).filter(
    ([name, value]) => name !== '$id' && !(name === 'additionalProperties' && value === false)
  )
  return Object.fromEntries(members.map(([name, value]) => [name, open(value)]))
}

/**
 * Check a value from a response against its schema.
 *
 * @throws {ChatError} `untrusted`, `malformed-answer`
 */
export function checked<S extends TSchema>(schema: S, value: unknown, what: string): Static<S> {
  if (fits(schema, value)) return value
  throw new ChatError(
    'untrusted',
    'malformed-answer',
    `The server's answer does not have its form (${what}).`,
    {
      hint: 'This client may be too old for the server, or something stands between them.'
    }
  )
}

export function fits<S extends TSchema>(schema: S, value: unknown): value is Static<S> {
  let openSchema = opened.get(schema)
  if (openSchema === undefined) opened.set(schema, (openSchema = open(schema) as TSchema))
  return Check(openSchema, value)
}
