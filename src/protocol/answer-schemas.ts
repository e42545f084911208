import type { TSchema } from 'typebox'
import * as accounts from './accounts.js'
import * as contacts from './contacts.js'
import * as conversations from './conversations.js'
import * as devices from './devices.js'
import * as events from './events.js'
import * as messages from './messages.js'
import { InvalidPart, ProblemDocument, SignedStatement, schemaName } from './schema.js'

/** The named schemas that a client needs to check what a server answers. */
export const answerSchemas: TSchema[] = [
  SignedStatement,
  ProblemDocument,
  InvalidPart,
  ...namedIn(devices, accounts, contacts, conversations, messages, events)
]

/** The named schemas that modules export, alone or in lists. */
export function namedIn(...modules: Record<string, unknown>[]): TSchema[] {
  return modules.flatMap((module) => Object.values(module).flat().filter(isNamed))
}

function isNamed(value: unknown): value is TSchema {
  return typeof value === 'object' && value !== null && schemaName(value) !== undefined
}
