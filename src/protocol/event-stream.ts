import type { TSchema } from 'typebox'
import * as Type from 'typebox'
import { alternatives, durableEvents, ephemeralEvents, oneOf } from './events.js'
import { ref, schemaName } from './schema.js'

/** `data` of a stream: text, as in every stream of Server-Sent Events. */
const lineOf = (schema: TSchema) =>
  Type.Unsafe<string>({
    type: 'string',
    contentMediaType: 'application/json',
    contentSchema: ref(schema),
    description: `One line of JSON: a \`${schemaName(schema)}\`.`
  })

const { ready, reset, ...passing } = ephemeralEvents

export const eventFrames = [
  ...alternatives({ ...durableEvents, ready, reset }, 'Frame', lineOf, {
    id: Type.String({ description: 'The cursor after this event.' })
  }),
  ...alternatives(passing, 'Frame', lineOf, {})
]

export const StreamedEvent = oneOf<{ event: string; data: string; id?: string }>(eventFrames, {
  $id: 'StreamedEvent',
  description: 'One event of the stream.'
})
