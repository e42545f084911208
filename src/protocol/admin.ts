import type { Static } from 'typebox'
import * as Type from 'typebox'
import { ACCOUNT_KINDS, PASSWORD_LENGTH, SERVER_ROLES, SIGN_IN_METHODS } from './accounts.js'
import { SHA256_HEX } from './ids.js'
import {
  PageQuery,
  Sha256,
  Time,
  Username,
  UsernameInput,
  Uuid,
  choice,
  nullable,
  page,
  record
} from './schema.js'

/** The schemas of the admin's calls refer to no others: a client of them loads no more than these. */

const Count = (description: string) =>
  Type.Integer({ format: 'int64', minimum: 0, maximum: Number.MAX_SAFE_INTEGER, description })

const user = {
  id: Uuid('The user’s id.'),
  username: Username,
  role: choice(SERVER_ROLES, { description: 'An admin may use `/v1/admin`.' }),
  kind: choice(ACCOUNT_KINDS, { description: 'A person, or a program.' }),
  createdAt: Time('When the user registered.'),
  suspendedAt: nullable(Time('When the user was suspended. Null if that is over, or never was.')),
  erasedAt: nullable(Time('When the account was erased.'))
}

export type AdminUser = Static<typeof AdminUser>
export const AdminUser = record(
  {
    ...user,
    lastSeenAt: nullable(Time('When a session of the user was last refreshed, or a device seen.')),
    devices: record({
      active: Count('Devices that may send and read.'),
      pending: Count('Devices that wait for approval.'),
      revoked: Count('Devices that are none any more.')
    }),
    sessions: Count('Sessions that have not ended.'),
    conversations: Count('Conversations that the user is in.'),
    invitedBy: nullable(
      record({
        invite: Uuid('The invitation.'),
        username: nullable(Type.String({ description: 'Who made it. Null if the operator did.' }))
      })
    )
  },
  { $id: 'AdminUser', description: 'What the server knows of an account. It knows no message.' }
)

export type AdminUserPage = Static<typeof AdminUserPage>
export const AdminUserPage = page(record(user), { $id: 'AdminUserPage' })

export const AdminUsersQuery = record({
  prefix: Type.Optional(
    Type.String({
      pattern: '^[A-Za-z0-9_.-]{1,32}$',
      description: 'The first characters of the names.',
      examples: ['al']
    })
  ),
  ...PageQuery
})

export const UserParams = record({ username: UsernameInput })

export const RoleChange = record(
  { role: choice(SERVER_ROLES, { description: 'The new role.' }) },
  { $id: 'RoleChange' }
)

export type PasswordResetLink = Static<typeof PasswordResetLink>
export const PasswordResetLink = record(
  {
    token: Type.String({ description: 'For POST /v1/auth/password-reset, once.' }),
    expiresAt: Time('When it ends.')
  },
  { $id: 'PasswordResetLink' }
)

export const PasswordReset = record(
  {
    username: UsernameInput,
    token: Type.String({ minLength: 1, maxLength: 64, description: 'From an admin of the server.' }),
    newPassword: Type.String({
      minLength: PASSWORD_LENGTH.min,
      maxLength: PASSWORD_LENGTH.max,
      format: 'password',
      description: '10 to 256 characters, without NUL. Common passwords are refused.'
    })
  },
  { $id: 'PasswordReset' }
)

export type AdminSessionPage = Static<typeof AdminSessionPage>
export const AdminSessionPage = page(
  record({
    id: Uuid('The session’s id.'),
    deviceId: nullable(Uuid('The device that the session is bound to.')),
    address: Type.String({ description: 'The network address of the log-in.' }),
    userAgent: Type.String(),
    method: choice(SIGN_IN_METHODS, { description: 'With what the session was begun.' }),
    createdAt: Time('When the session started.'),
    lastUsedAt: Time('When the session was last refreshed.'),
    expiresAt: Time('When the session ends, unless it is refreshed before.')
  }),
  { $id: 'AdminSessionPage' }
)

export const NewAdminInvite = record(
  {
    note: Type.String({ maxLength: 200, description: 'For whom it is. Only admins see it.' }),
    maxUses: Type.Integer({ minimum: 1, maximum: 10_000, description: 'Accounts that may be made with it.' }),
    days: Type.Integer({ minimum: 1, maximum: 365, description: 'Days until it ends.' }),
    kind: choice(ACCOUNT_KINDS, { description: 'Who will use the accounts.' }),
    role: choice(SERVER_ROLES, { description: 'The role that the accounts begin with.' })
  },
  { $id: 'NewAdminInvite' }
)

const invite = {
  id: Uuid('The invitation’s id.'),
  createdBy: nullable(Type.String({ description: 'Who made it. Null if the operator did.' })),
  note: Type.String(),
  kind: choice(ACCOUNT_KINDS),
  role: choice(SERVER_ROLES),
  maxUses: Count('Accounts that may be made with it.'),
  uses: Count('Accounts that were made with it.'),
  createdAt: Time('When it was made.'),
  expiresAt: Time('When it ends.'),
  revokedAt: nullable(Time('When it was revoked.')),
  usedBy: Type.Array(record({ username: Username, usedAt: Time('When the account was made.') }), {
    description: 'The newest accounts that were made with it.'
  })
}

export type AdminInvite = Static<typeof AdminInvite>
export const AdminInvite = record(
  { ...invite, token: Type.String({ description: 'Admits to the registration. It is shown only once.' }) },
  { $id: 'AdminInvite' }
)

export type AdminInvitePage = Static<typeof AdminInvitePage>
export const AdminInvitePage = page(record(invite), { $id: 'AdminInvitePage' })

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
