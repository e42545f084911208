import * as Type from 'typebox'
import { Time, Username, choice, nullable, record, ref } from './schema.js'

export const ServerLimits = record(
  {
    ciphertextBytes: Type.Integer({ description: 'The largest ciphertext of a message.' }),
    members: Type.Integer({ description: 'The most members of a conversation.' }),
    devices: Type.Integer({ description: 'The most active devices of a user.' }),
    rsaKeyBits: Type.Integer({ description: 'The smallest RSA key that is accepted.' })
  },
  { $id: 'ServerLimits' }
)

export const REGISTRATION = ['open', 'invite', 'closed'] as const
export type RegistrationMode = (typeof REGISTRATION)[number]

export const ServerInfo = record(
  {
    name: Type.String(),
    version: Type.String(),
    protocol: Type.String(),
    registration: choice(REGISTRATION, {
      description: 'Who may register: everybody, who has an invitation, or who has one of an admin.'
    }),
    moderators: Type.Array(Username, {
      description: 'Admins who take reports of messages, in the order of their names.'
    }),
    limits: ref(ServerLimits),
    notice: nullable(
      record({
        text: Type.String({ description: 'Plain text. The server says it, and nobody signs it.' }),
        at: Time('When it was written: one notice has one time.')
      })
    ),
    time: Time('The server’s clock.')
  },
  { $id: 'ServerInfo', description: 'What a client should know of a server before anything else.' }
)

export const Health = record({ status: choice(['ok']) }, { $id: 'Health' })
