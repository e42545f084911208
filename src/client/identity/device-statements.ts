import type { NewDevice } from '../../protocol/devices.js'
import type { SignedStatement } from '../../protocol/schema.js'
import { statementText } from '../../protocol/statement-texts.js'
import { signStatement, type Signer } from '../../crypto/statements.js'
import type { DeviceKeys } from './own-device.js'

/** Where a user's chain ends. */
export interface ChainEnd {
  sequence: number
  head: string
}

export const EMPTY_CHAIN: ChainEnd = { sequence: 0, head: '-' }

interface BoundDevice {
  username: string
  id: string
  signingKey: string
  encryptionKey: string
  encryptionVersion: number
}

/** The text of a statement that binds a device's keys. */
export function bindingText(
  kind: 'device-add' | 'device-rekey' | 'device-reset',
  { username: user, id: device, ...keys }: BoundDevice,
  { sequence, head }: ChainEnd
): string {
  return statementText({ kind, user, sequence: sequence + 1, previous: head, device, ...keys })
}

/** A new device with its statement, signed by itself and by the devices that approve it. */
export async function newDevice(
  kind: 'device-add' | 'device-reset',
  device: DeviceKeys,
  end: ChainEnd,
  ...approvers: Signer[]
): Promise<NewDevice> {
  const { id, name, username, signing, encryption } = device
  const keys = {
    signingKey: signing.fingerprint,
    encryptionKey: encryption.fingerprint,
    encryptionVersion: 1
  }
  const text = bindingText(kind, { username, id, ...keys }, end)
  const statement = await signStatement(text, signing, ...approvers)
  return { id, name, signingKey: signing.publicKey, encryptionKey: encryption.publicKey, statement }
}

/** The `device-rekey` statement of a device. @param next fingerprint of its next encryption key */
export function rekeyStatement(device: DeviceKeys, next: string, end: ChainEnd): Promise<SignedStatement> {
  const { username, id, signing, encryptionVersion } = device
  const keys = {
    signingKey: signing.fingerprint,
    encryptionKey: next,
    encryptionVersion: encryptionVersion + 1
  }
  return signStatement(bindingText('device-rekey', { username, id, ...keys }, end), signing)
}

export function revocation(
  username: string,
  device: string,
  end: ChainEnd,
  signer: Signer
): Promise<SignedStatement> {
  const { sequence, head: previous } = end
  const text = statementText({
    kind: 'device-revoke',
    user: username,
    sequence: sequence + 1,
    previous,
    device
  })
  return signStatement(text, signer)
}
