import * as Type from 'typebox'
import { Time, choice, record, ref } from './schema.js'

export const ServerLimits = record(
  {
    ciphertextBytes: Type.Integer({ description: 'The largest ciphertext of a message.' }),
    members: Type.Integer({ description: 'The most members of a conversation.' }),
    devices: Type.Integer({ description: 'The most active devices of a user.' }),
    rsaKeyBits: Type.Integer({ description: 'The smallest RSA key that is accepted.' })
  },
  { $id: 'ServerLimits' }
)

export const ServerInfo = record(
  {
    name: Type.String(),
    version: Type.String(),
    protocol: Type.String(),
    registration: choice(['open']),
    limits: ref(ServerLimits),
    time: Time('The server’s clock.')
  },
  { $id: 'ServerInfo', description: 'What a client should know of a server before anything else.' }
)

export const Health = record({ status: choice(['ok']) }, { $id: 'Health' })
