import type { Static } from 'typebox'
import * as Type from 'typebox'
import { Count } from './admin.js'
import { SHA256_HEX } from './ids.js'
import { PageQuery, Sha256, Time, UsernameInput, choice, nullable, page, record } from './schema.js'

export const AUDIT_ACTORS = ['user', 'operator', 'server'] as const

export const AuditQuery = record({
  subject: Type.Optional(UsernameInput),
  actor: Type.Optional(UsernameInput),
  action: Type.Optional(Type.String({ pattern: '^[a-z.-]{1,64}$', examples: ['user.suspend'] })),
  ...PageQuery
})

export type AuditPage = Static<typeof AuditPage>
export const AuditPage = page(
  record({
    id: Count('The row’s number, without gaps.'),
    at: Time('When it was done.'),
    actorKind: choice(AUDIT_ACTORS, {
      description: 'A user, the operator at the socket, or the server itself.'
    }),
    actor: nullable(Type.String({ description: 'The user’s name.' })),
    action: Type.String({ description: 'What was done, such as `user.suspend`.' }),
    subject: nullable(Type.String({ description: 'To whom: a user’s name, or another id.' })),
    details: nullable(
      Type.Object({}, { additionalProperties: true, description: 'More about it. Null if it was erased.' })
    ),
    address: nullable(Type.String({ description: 'From where. It is erased after some days.' })),
    hash: Sha256('The hash of the row, which covers the row before it.')
  }),
  { $id: 'AuditPage' }
)

export const AuditVerificationQuery = record({
  id: Type.Integer({
    format: 'int64',
    minimum: 0,
    maximum: Number.MAX_SAFE_INTEGER,
    default: 0,
    description: 'Begin after this row: the last one of the call before. 0 begins with the first.'
  }),
  hash: Type.String({
    pattern: `^${SHA256_HEX}$`,
    default: '0'.repeat(64),
    description: 'The hash of that row.'
  })
})

export type AuditVerification = Static<typeof AuditVerification>
export const AuditVerification = record(
  {
    verified: Count('Rows that fit.'),
    last: record({ id: Count('The last row that fits.'), hash: Type.String({ description: 'Its hash.' }) }),
    complete: Type.Boolean({ description: 'Whether no row is left to look at. If not, go on after `last`.' }),
    fault: nullable(
      record({
        id: Count('The first row that does not fit.'),
        reason: choice(['changed', 'missing'])
      })
    )
  },
  { $id: 'AuditVerification' }
)

export type Statistics = Static<typeof Statistics>
export const Statistics = record(
  {
    users: record({
      total: Count('Accounts, with those that were erased.'),
      admins: Count('Admins of the server.'),
      suspended: Count('Suspended ones.'),
      erased: Count('Erased ones.')
    }),
    devices: Count('Active devices.'),
    sessions: Count('Sessions that have not ended.'),
    conversations: Count('Conversations, about.'),
    messages: Count('Events of the log, messages for the most part, about.'),
    streams: Count('Streams that are open on the process that answers.'),
    online: Count('Users with an open stream.')
  },
  { $id: 'Statistics', description: 'Large tables are estimated by the database.' }
)

export type StorageUse = Static<typeof StorageUse>
export const StorageUse = record(
  {
    databaseBytes: Count('The whole database.'),
    tables: Type.Array(
      record({
        name: Type.String(),
        bytes: Count('With its indexes.'),
        rows: Count('Rows, about: the database estimates them.')
      }),
      { description: 'The largest first.' }
    )
  },
  { $id: 'StorageUse' }
)

export const NewNotice = record(
  {
    text: Type.String({
      minLength: 1,
      maxLength: 1000,
      format: 'plain-text',
      description: 'For all users, without control characters but tabs and line breaks.'
    })
  },
  { $id: 'NewNotice' }
)

export type Settings = Static<typeof Settings>
export const Settings = record(
  {
    version: Type.String(),
    settings: Type.Array(
      record({
        name: Type.String({ description: 'The environment variable.' }),
        value: nullable(Type.String({ description: 'Null if it is not set. A secret is `[redacted]`.' }))
      })
    )
  },
  { $id: 'Settings' }
)
