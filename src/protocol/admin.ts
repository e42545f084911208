import type { Static } from 'typebox'
import * as Type from 'typebox'
import { ACCOUNT_KINDS, PASSWORD_LENGTH, SERVER_ROLES, SIGN_IN_METHODS } from './accounts.js'
import { PageQuery, Time, Username, UsernameInput, Uuid, choice, nullable, page, record } from './schema.js'

/** The schemas of the admin's calls refer to no others: a client of them loads no more than these. */

export const Count = (description: string) =>
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
    requestsSent: Count('Requests of the user that others have not accepted.'),
    blockedBy: Count('Users who block the user.'),
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

export const MessageParams = record({ messageId: Uuid('The message’s id.') })

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

export type CountedLimits = Static<typeof CountedLimits>
export const CountedLimits = page(
  record({
    name: Type.String({ description: 'The name of the limit, as in docs/limits.md.' }),
    used: Count('How much is used up.'),
    max: Count('The limit.'),
    until: Time('When the count begins again.')
  }),
  { $id: 'CountedLimits' }
)

export const NewAdminInvite = record(
  {
    note: Type.String({
      maxLength: 200,
      format: 'plain-text',
      description: 'For whom it is, without control characters. Only admins see it.'
    }),
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
