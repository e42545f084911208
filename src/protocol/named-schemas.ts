import type { TSchema } from 'typebox'
import * as accounts from './accounts.js'
import * as conversations from './conversations.js'
import * as devices from './devices.js'
import * as events from './events.js'
import * as messages from './messages.js'
import { ProblemDocument, SignedStatement, schemaName } from './schema.js'

/** Every named schema: routes refer to them, and they are the components of the OpenAPI document. */
export const namedSchemas: TSchema[] = [
  SignedStatement,
  ProblemDocument,
  ...[devices, accounts, conversations, messages, events].flatMap((module) =>
    Object.values<unknown>(module).filter(isNamed)
  )
]

function isNamed(value: unknown): value is TSchema {
  return typeof value === 'object' && value !== null && schemaName(value) !== undefined
}
