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

/**
 * No NUL: HMAC pads its key with NULs, so a trailing one would not count. No lone surrogates: UTF-8 cannot
 * encode them.
 */
const PASSWORD = '^[^\\u0000\\p{Cs}]*$'

/** Length of a new password in characters. */
export const PASSWORD_LENGTH = { min: 10, max: 256 } as const

const Password = Type.String({
  minLength: PASSWORD_LENGTH.min,
  maxLength: PASSWORD_LENGTH.max,
  pattern: PASSWORD,
  description: '10 to 256 characters, without NUL. Common passwords are refused.',
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
    device: nullable(ref(Device)),
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

export type Session = Static<typeof Session>
export const Session = record(
  {
    id: Uuid('The session’s id.'),
    deviceId: nullable(Uuid('The device that the session is bound to.')),
    address: Type.String({ description: 'The network address of the log-in.' }),
    userAgent: Type.String(),
    createdAt: Time('When the session started.'),
    lastUsedAt: Time('When the session was last refreshed.'),
    expiresAt: Time('When the session ends, unless it is refreshed before.'),
    current: Type.Boolean({ description: 'Whether this request was made with this session.' })
  },
  { $id: 'Session' }
)

export const SessionPage = page(ref(Session), { $id: 'SessionPage' })

export type Profile = Static<typeof Profile>
export const Profile = record(
  {
    user: ref(User),
    root: Sha256('The user’s root: fingerprint of the signing key that started the chain or last reset it.'),
    devices: Type.Array(ref(PublicDevice), { description: 'The active devices.' }),
    retiredSigningKeys: Type.Array(Pem('Ed25519 public key'), {
      description: 'Signing keys of revoked and reset devices. They verify older statements.'
    }),
    chain: Type.Array(ref(SignedStatement), { description: 'All statements of the user’s chain, in order.' })
  },
  { $id: 'Profile', description: 'Public information about a user.' }
)

export const UserPage = page(ref(User), { $id: 'UserPage' })
