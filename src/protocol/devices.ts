import type { Static } from 'typebox'
import * as Type from 'typebox'
import { Base64, NewSignedStatement, Pem, Time, Uuid, choice, page, record, ref } from './schema.js'

const KemKey = Type.Optional(
  Base64('ML-KEM-768 public key of 1,184 bytes. Present exactly if the statement names one.', {
    minLength: 1580,
    maxLength: 1580
  })
)

export type NewDevice = Static<typeof NewDevice>
export const NewDevice = record(
  {
    id: Uuid('Chosen by the client.'),
    name: Type.String({
      minLength: 1,
      maxLength: 64,
      format: 'device-name',
      description: '1 to 64 characters, no control characters or invisible ones. Only the owner sees it.',
      examples: ['laptop']
    }),
    signingKey: Pem('Ed25519 public key'),
    encryptionKey: Pem('RSA public key of 2048, 3072 or 4096 bits, e = 65537'),
    kemKey: KemKey,
    statement: ref(NewSignedStatement)
  },
  { $id: 'NewDevice', description: 'A device with its `device-add` (or `device-reset`) statement.' }
)

const Version = Type.Integer({
  minimum: 1,
  description: 'Starts at 1 and rises by one with each new encryption key.',
  examples: [1]
})

const deviceKeys = {
  id: Uuid('The device’s id.'),
  signingKey: Pem('Ed25519 public key'),
  encryptionKey: Pem('RSA public key'),
  kemKey: KemKey,
  encryptionVersion: Version
}

export type PublicDevice = Static<typeof PublicDevice>
export const PublicDevice = record(deviceKeys, {
  $id: 'PublicDevice',
  description: 'The public keys of an active device.'
})

export type StatementKeys = Static<typeof StatementKeys>
export const StatementKeys = record(
  {
    device: Uuid('The device.'),
    signingKey: Pem('Ed25519 public key'),
    encryptionKey: Type.Optional(Pem('RSA public key')),
    kemKey: KemKey
  },
  {
    $id: 'StatementKeys',
    description:
      'The public keys of a device that statements of a user’s chain name by their hashes. A device that is ' +
      'active after these statements needs all that its last one names, any other only the `signingKey`.'
  }
)

export type Device = Static<typeof Device>
export const Device = record(
  {
    ...deviceKeys,
    encryptionKey: Type.String({
      maxLength: 2048,
      description: 'RSA public key, SPKI PEM. Empty for a revoked device that the server learned of too late.'
    }),
    name: Type.String({ description: 'The name that the owner gave the device.' }),
    status: choice(['pending', 'active', 'revoked'], {
      description: '`pending` until another device of the user approves it.'
    }),
    createdAt: Time('When the device was registered.')
  },
  { $id: 'Device', description: 'A device, as its owner sees it.' }
)

export const DevicePage = page(ref(Device), { $id: 'DevicePage' })

export type DeviceResponse = Static<typeof DeviceResponse>
export const DeviceResponse = record({ device: ref(Device) }, { $id: 'DeviceResponse' })

export type StatementRequest = Static<typeof StatementRequest>
export const StatementRequest = record({ statement: ref(NewSignedStatement) }, { $id: 'StatementRequest' })

export type EncryptionKeyRequest = Static<typeof EncryptionKeyRequest>
export const EncryptionKeyRequest = record(
  { encryptionKey: Pem('The new RSA public key'), kemKey: KemKey, statement: ref(NewSignedStatement) },
  { $id: 'EncryptionKeyRequest' }
)
