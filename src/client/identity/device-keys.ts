import { generateEncryptionKeys, generateSigningKeys } from '../../crypto/keys.js'
import type { UnwrapKeys } from '../../crypto/wraps.js'
import type { PublicDevice } from '../../protocol/devices.js'
import type { Purpose } from '../../protocol/statements.js'
import type { UserHistory } from '../../protocol/user-history.js'
import type { CryptoKey } from '../stores/store.js'
import { generateStoredKem, openSeed, type StoredKem } from './sealed-seed.js'

export type StoredPair = { privateKey: CryptoKey; publicKey: string; fingerprint: string }

/** The two key pairs that session keys are wrapped for. */
export type WrapPairs = { encryption: StoredPair; kem: StoredKem }

/** A device with its private keys, as it is stored. */
export type DeviceKeys = WrapPairs & {
  username: string
  id: string
  name: string
  purpose: Purpose
  signing: StoredPair
  encryptionVersion: number
  /** New keys that are about to replace the present ones. */
  next: WrapPairs | null
  /** Keys that were replaced, and for which there may still be wraps. Newest first. */
  retired: WrapPairs[]
}

export type KeyBits = 2048 | 3072 | 4096

export interface KeyForm {
  bits: KeyBits
  extractable: boolean
}

/** New keys of a device, not stored. Takes about a second. */
export async function generateDevice(
  { username, name, purpose = 'chat' }: { username: string; name: string; purpose?: Purpose },
  form: KeyForm
): Promise<DeviceKeys> {
  const [signing, pairs] = await Promise.all([generateSigningKeys(form), generateWrapPairs(form)])
  const id = crypto.randomUUID()
  return {
    username,
    id,
    name,
    purpose,
    signing: { ...signing },
    ...pairs,
    encryptionVersion: 1,
    next: null,
    retired: []
  }
}

export async function generateWrapPairs({ bits, extractable }: KeyForm): Promise<WrapPairs> {
  const [encryption, kem] = await Promise.all([
    generateEncryptionKeys({ bits, extractable }),
    generateStoredKem(extractable)
  ])
  return { encryption: { ...encryption }, kem }
}

/** The public half, as in the API. */
export function publicDevice({ id, signing, encryption, kem, encryptionVersion }: DeviceKeys): PublicDevice {
  return {
    id,
    signingKey: signing.publicKey,
    encryptionKey: encryption.publicKey,
    kemKey: kem.publicKey,
    encryptionVersion
  }
}

/** What opens the wraps for one pair of pairs. @param signingKey fingerprint */
export async function unwrapKeys({ encryption, kem }: WrapPairs, signingKey: string): Promise<UnwrapKeys> {
  return { signingKey, encryptionKey: encryption.privateKey, kemSeed: await openSeed(kem) }
}

/** The device with the keys that its chain names. The replaced ones are kept for what was wrapped for them. */
export function followed(device: DeviceKeys | null, history: UserHistory): DeviceKeys | null {
  const named = device && history.devices.get(device.signing.fingerprint)?.keys.at(-1)
  if (!named || device.next?.encryption.fingerprint !== named.encryptionKey) return device
  const { encryption, kem, next, retired } = device
  return {
    ...device,
    ...next,
    encryptionVersion: named.encryptionVersion,
    next: null,
    retired: [{ encryption, kem }, ...retired]
  }
}

/** Whether the chain names another encryption key of a device than the present one. */
export function isOutdated(history: UserHistory, { signing, encryption }: DeviceKeys): boolean {
  const bound = history.devices.get(signing.fingerprint)
  return bound !== undefined && bound.keys.at(-1)!.encryptionKey !== encryption.fingerprint
}

/** Whether a chain has had this device, and has it no more. */
export function isRetired({ devices }: UserHistory, { signing }: DeviceKeys): boolean {
  return (devices.get(signing.fingerprint)?.retired ?? null) !== null
}

/** The first of these devices that is active in its user's chain. */
export function activeOf(
  { devices }: UserHistory,
  ...candidates: readonly (DeviceKeys | null | undefined)[]
): DeviceKeys | null {
  const isActive = (keys: DeviceKeys | null | undefined): boolean =>
    devices.get(keys?.signing.fingerprint ?? '')?.retired === null
  return candidates.find(isActive) ?? null
}
