import type { NewDevice } from '../../protocol/devices.js'
import type { SignedStatement } from '../../protocol/schema.js'
import type { Purpose } from '../../protocol/statements.js'
import { statementText } from '../../protocol/statement-texts.js'
import { signStatement, type Signer } from '../../crypto/statements.js'
import type { DeviceKeys, WrapPairs } from './device-keys.js'

/** Where a user's chain ends. */
export interface ChainEnd {
  sequence: number
  head: string
}

export const EMPTY_CHAIN: ChainEnd = { sequence: 0, head: '-' }

/** The keys that a statement binds, by their fingerprints. */
export interface BoundKeys {
  username: string
  id: string
  purpose: Purpose
  signingKey: string
  encryptionKey: string
  kemKey: string
}

/** The text of a statement that binds a device's keys. */
export function bindingText(
  kind: 'device-add' | 'device-rekey' | 'device-reset',
  { username: user, id: device, ...keys }: BoundKeys,
  { sequence, head }: ChainEnd,
  encryptionVersion = 1
): string {
  const place = { user, sequence: sequence + 1, previous: head }
  return statementText({ kind, ...place, device, ...keys, encryptionVersion })
}

/** A new device with its statement, signed by itself and by the devices that approve it. */
export async function newDevice(
  kind: 'device-add' | 'device-reset',
  device: DeviceKeys,
  end: ChainEnd,
  ...approvers: Signer[]
): Promise<NewDevice> {
  const { id, name, signing, encryption, kem } = device
  const statement = await signStatement(bindingText(kind, boundKeys(device), end), signing, ...approvers)
  return {
    id,
    name,
    signingKey: signing.publicKey,
    encryptionKey: encryption.publicKey,
    kemKey: kem.publicKey,
    statement
  }
}

/** The `device-rekey` statement of a device, which binds its next keys. */
export function rekeyStatement(device: DeviceKeys, next: WrapPairs, end: ChainEnd): Promise<SignedStatement> {
  const keys = boundKeys({ ...device, ...next })
  return signStatement(bindingText('device-rekey', keys, end, device.encryptionVersion + 1), device.signing)
}

/** The `device-revoke` statement of a device, with the request that posts it. */
export async function revocation(
  user: string,
  device: string,
  { sequence: before, head: previous }: ChainEnd,
  signer: Signer
) {
  const sequence = before + 1
  const signed = await signStatement(
    statementText({ kind: 'device-revoke', user, sequence, previous, device }),
    signer
  )
  const path = `/v1/devices/${device}/revocation`
  const request = { method: 'POST', path, body: { statement: signed } } as const
  return { username: user, sequence, signed, request }
}

export function boundKeys({ username, id, purpose, signing, encryption, kem }: DeviceKeys): BoundKeys {
  return {
    username,
    id,
    purpose,
    signingKey: signing.fingerprint,
    encryptionKey: encryption.fingerprint,
    kemKey: kem.fingerprint
  }
}
