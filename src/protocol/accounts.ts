import Type, { type Static } from 'typebox'
import { Device, NewDevice, PublicDevice } from './devices.js'
import {
  Pem,
  Sha256,
  SignedStatement,
  Time,
  Username,
  UsernameInput,
  Uuid,
  nullable,
  page,
  record,
  ref
} from './schema.js'

/** HMAC pads its key with NULs, so one at the end would be no part of the password; nor would half a character. */
const PASSWORD = '^[^\\u0000\\p{Cs}]*$'

/** Characters of a new password. */
export const PASSWORD_LENGTH = { least: 10, most: 256 } as const

const Password = Type.String({
  minLength: PASSWORD_LENGTH.least,
  maxLength: PASSWORD_LENGTH.most,
  pattern: PASSWORD,
  description: '10–256 characters but NUL, not a common password.',
  examples: ['correct horse battery staple']
})

export type User = Static<typeof User>
export const User = record(
  { id: Uuid('The user’s id.'), username: Username, createdAt: Time('When the user registered.') },
  { $id: 'User' }
)

export type Registration = Static<typeof Registration>
export const Registration = record(
  { username: UsernameInput, password: Password, device: ref(NewDevice) },
  { $id: 'Registration', description: 'A new account with its first device.' }
)

export type Credentials = Static<typeof Credentials>
export const Credentials = record(
  {
    username: UsernameInput,
    password: Type.String({ minLength: 1, maxLength: 256, pattern: PASSWORD }),
    deviceId: Type.Optional(Uuid('The device that the session is for; without it the session has none.'))
  },
  { $id: 'Credentials' }
)

export type AuthResponse = Static<typeof AuthResponse>
export const AuthResponse = record(
  {
    user: ref(User),
    device: nullable(ref(Device)),
    accessToken: Type.String({ description: 'A JWT for `Authorization: Bearer`.' }),
    expiresIn: Type.Integer({ description: 'Seconds until the access token expires.', examples: [900] }),
    refreshToken: Type.String({ description: 'Good for one POST /v1/auth/refresh.' })
  },
  { $id: 'AuthResponse', description: 'A session’s tokens, and whose they are.' }
)

export type RefreshRequest = Static<typeof RefreshRequest>
export const RefreshRequest = record(
  { refreshToken: Type.String({ minLength: 1, maxLength: 256 }) },
  { $id: 'RefreshRequest' }
)

export type Session = Static<typeof Session>
export const Session = record(
  {
    id: Uuid('The session’s id.'),
    deviceId: nullable(Uuid('The device of the session.')),
    address: Type.String({ description: 'The network address that logged in.' }),
    userAgent: Type.String(),
    createdAt: Time('When the session began.'),
    lastUsedAt: Time('When it was last refreshed.'),
    expiresAt: Time('When it ends unless it is refreshed.'),
    current: Type.Boolean({ description: 'Whether this request belongs to it.' })
  },
  { $id: 'Session' }
)

export const SessionPage = page(ref(Session), { $id: 'SessionPage' })

export type Profile = Static<typeof Profile>
export const Profile = record(
  {
    user: ref(User),
    root: Sha256('The user’s root: fingerprint of the signing key that began the chain or reset it last.'),
    devices: Type.Array(ref(PublicDevice), { description: 'The active devices.' }),
    retiredSigningKeys: Type.Array(Pem('Ed25519 public key'), {
      description: 'Of devices that were revoked or reset away: what verifies the older statements.'
    }),
    chain: Type.Array(ref(SignedStatement), { description: 'The user’s statements in order.' })
  },
  { $id: 'Profile', description: 'The public side of a user.' }
)

export const UserPage = page(ref(User), { $id: 'UserPage' })
