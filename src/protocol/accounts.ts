import type { Static } from 'typebox'
import * as Type from 'typebox'
import { Device, NewDevice, PublicDevice, StatementKeys } from './devices.js'
import {
  NewSignedStatement,
  Pem,
  Sha256,
  SignedStatement,
  Time,
  Username,
  UsernameInput,
  Uuid,
  choice,
  defaulted,
  nullable,
  page,
  record,
  ref
} from './schema.js'

/** Length of a new password in characters. */
export const PASSWORD_LENGTH = { min: 10, max: 256 } as const

export const Password = Type.String({
  minLength: PASSWORD_LENGTH.min,
  maxLength: PASSWORD_LENGTH.max,
  format: 'password',
  description: '10 to 256 characters, without NUL. Common passwords are refused.',
  examples: ['correct horse battery staple']
})

/** What a user may do on the server: an admin may use `/v1/admin`. */
export const SERVER_ROLES = ['member', 'admin'] as const
export type ServerRole = (typeof SERVER_ROLES)[number]

/** Who uses an account: a person (`member`), or a program. */
export const ACCOUNT_KINDS = ['member', 'bot'] as const
export type AccountKind = (typeof ACCOUNT_KINDS)[number]
/** A password to be compared. */
export const KnownPassword = Type.String({
  minLength: 1,
  maxLength: PASSWORD_LENGTH.max,
  format: 'password',
  description: '1 to 256 characters, without NUL.'
})

export type User = Static<typeof User>
export const User = record(
  {
    id: Uuid('The user’s id.'),
    username: Username,
    kind: choice(ACCOUNT_KINDS, { description: 'Who uses the account: a person, or a program.' }),
    role: Type.Optional(
      choice(SERVER_ROLES, { description: 'What the user may do on the server. Only they are told.' })
    ),
    createdAt: Time('When the user registered.')
  },
  { $id: 'User' }
)

const invite = Type.Optional(
  Type.String({ minLength: 1, maxLength: 128, description: 'The token of an invitation.' })
)

export type Registration = Static<typeof Registration>
export const Registration = record(
  {
    username: UsernameInput,
    password: Password,
    device: ref(NewDevice),
    invite
  },
  { $id: 'Registration', description: 'A new account with its first device.' }
)

export type RegistrationCheck = Static<typeof RegistrationCheck>
export const RegistrationCheck = record(
  { username: UsernameInput, invite },
  { $id: 'RegistrationCheck', description: 'What a registration needs before somebody chooses a password.' }
)

export type Credentials = Static<typeof Credentials>
export const Credentials = record(
  {
    username: UsernameInput,
    password: KnownPassword,
    deviceId: Type.Optional(
      Uuid('The device to bind the session to. Without one, the session has no device.')
    )
  },
  { $id: 'Credentials' }
)

export type AuthResponse = Static<typeof AuthResponse>
export const AuthResponse = record(
  {
    user: ref(User),
    device: nullable(Device),
    accessToken: Type.String({ description: 'A JWT for `Authorization: Bearer`.' }),
    expiresIn: Type.Integer({ description: 'Seconds until the access token expires.', examples: [900] }),
    refreshToken: Type.String({ description: 'Valid for one POST /v1/auth/refresh.' })
  },
  { $id: 'AuthResponse', description: 'The tokens of a session, with its user and device.' }
)

export type RefreshRequest = Static<typeof RefreshRequest>
export const RefreshRequest = record(
  { refreshToken: Type.String({ minLength: 1, maxLength: 256 }) },
  { $id: 'RefreshRequest' }
)

/** How a session was begun: with the password, or with the key of its device. */
export const SIGN_IN_METHODS = ['password', 'device'] as const
export type SignInMethod = (typeof SIGN_IN_METHODS)[number]

/** Who may begin a conversation with a user: all, strangers as a request to be accepted only, or nobody. */
export const CONTACT_POLICIES = ['everyone', 'requests', 'nobody'] as const
export type ContactPolicy = (typeof CONTACT_POLICIES)[number]

export type Session = Static<typeof Session>
export const Session = record(
  {
    id: Uuid('The session’s id.'),
    deviceId: nullable(Uuid('The device that the session is bound to.')),
    address: Type.String({ description: 'The network address of the log-in.' }),
    userAgent: Type.String(),
    method: choice(SIGN_IN_METHODS, { description: 'With what the session was begun.' }),
    createdAt: Time('When the session started.'),
    lastUsedAt: Time('When the session was last refreshed.'),
    expiresAt: Time('When the session ends, unless it is refreshed before.'),
    current: Type.Boolean({ description: 'Whether this request was made with this session.' })
  },
  { $id: 'Session' }
)

export const SessionPage = page(ref(Session), { $id: 'SessionPage' })

/** Statements in a page of a user's chain, unless the request says otherwise. */
export const CHAIN_PAGE = 100

export const UserChainQuery = record({
  after: defaulted({
    minimum: 0,
    maximum: 1000,
    default: 0,
    description: 'Return only statements with a larger sequence. `next` of the previous page continues it.'
  }),
  limit: defaulted({
    minimum: 1,
    maximum: 200,
    default: CHAIN_PAGE,
    description: 'The most statements to return.'
  })
})

const chainPage = {
  head: Sha256('Hash of the newest statement of the user’s chain.'),
  items: Type.Array(ref(SignedStatement), { description: 'Statements of the chain, in order.' }),
  keys: Type.Array(Pem('Ed25519 public key'), {
    description: 'The keys that have signed these statements.'
  })
}

export const UserChain = record(
  {
    ...chainPage,
    next: nullable(Type.String({ description: 'The `after` of the next page. Null on the last page.' }))
  },
  { $id: 'UserChain', description: 'A page of a user’s chain.' }
)

export type Profile = Static<typeof Profile>
export const Profile = record(
  {
    user: ref(User),
    erased: Type.Optional(
      Type.Boolean({ description: 'Whether the account is erased: only the name and the chain are left.' })
    ),
    root: Sha256('The user’s root: fingerprint of the signing key that started the chain or last reset it.'),
    devices: Type.Array(ref(PublicDevice), { description: 'The active devices.' }),
    chain: ref(UserChain)
  },
  { $id: 'Profile', description: 'Public information about a user.' }
)

/** Most statements, and keys, in one request that continues a chain. */
export const MAX_USER_STATEMENTS = 100
/** Most users in one request for chains. */
export const MAX_CHAIN_USERS = 200

export const ChainPlace = record(
  {
    username: Username,
    after: Type.Integer({
      minimum: 0,
      maximum: 1000,
      description: 'Return only statements with a larger sequence.'
    })
  },
  { $id: 'ChainPlace', description: 'How much of a user’s chain is known.' }
)

export type UserChainsRequest = Static<typeof UserChainsRequest>
export const UserChainsRequest = record(
  {
    users: Type.Array(ref(ChainPlace), { minItems: 1, maxItems: MAX_CHAIN_USERS })
  },
  { $id: 'UserChainsRequest' }
)

export const NamedUserChain = record(
  { username: Username, ...chainPage },
  { $id: 'NamedUserChain', description: 'Statements of the chain of one user among several.' }
)

export type UserChainPage = Static<typeof UserChainPage>
export const UserChainPage = page(ref(NamedUserChain), {
  $id: 'UserChainPage',
  description:
    'New statements of the users’ chains. A user can have several items: the next one continues the last. ' +
    'Users who do not exist have none.'
})

export type UserStatements = Static<typeof UserStatements>
export const UserStatements = record(
  {
    statements: Type.Array(ref(NewSignedStatement), { minItems: 1, maxItems: MAX_USER_STATEMENTS }),
    keys: Type.Array(ref(StatementKeys), {
      maxItems: MAX_USER_STATEMENTS,
      description: 'The public keys of the devices that the statements bind, each device once.'
    })
  },
  {
    $id: 'UserStatements',
    description: 'Signed statements that follow the head of a user’s chain, from anybody who has them.'
  }
)

export type UserChainHead = Static<typeof UserChainHead>
export const UserChainHead = record(
  {
    head: Sha256('Hash of the newest statement of the user’s chain.'),
    sequence: Type.Integer({ description: 'Its sequence.', examples: [2] })
  },
  { $id: 'UserChainHead' }
)

export const UserPage = page(ref(User), { $id: 'UserPage' })
