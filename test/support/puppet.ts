import { randomUUID } from 'node:crypto'
import { generateKemKeys, type KemKeyPair } from '../../src/crypto/kem.js'
import { generateEncryptionKeys, generateSigningKeys, type KeyPair } from '../../src/crypto/keys.js'
import { signStatement } from '../../src/crypto/statements.js'
import type { NewDevice, PublicDevice } from '../../src/protocol/devices.js'
import type { SignedStatement } from '../../src/protocol/schema.js'
import { statementText } from '../../src/protocol/statement-texts.js'
import type { Purpose } from '../../src/protocol/statements.js'
import { keysOf, type FakeUser } from './fake-user.js'

/** A device whose keys the test has: it signs whatever the test says. */
export interface PuppetDevice {
  readonly id: string
  readonly purpose: Purpose
  readonly signing: KeyPair
  readonly encryption: KeyPair
  readonly kem: KemKeyPair
  readonly version: number
}

export async function puppetDevice({
  id = randomUUID(),
  purpose = 'chat'
}: { id?: string; purpose?: Purpose } = {}): Promise<PuppetDevice> {
  const [signing, encryption, kem] = await Promise.all([
    generateSigningKeys({ extractable: true }),
    generateEncryptionKeys({ bits: 2048, extractable: true }),
    generateKemKeys()
  ])
  return { id, purpose, signing, encryption, kem, version: 1 }
}

/** The device with other keys to wrap for. */
export async function rekeyed(device: PuppetDevice): Promise<PuppetDevice> {
  const { encryption, kem } = await puppetDevice()
  return { ...device, encryption, kem, version: device.version + 1 }
}

export function publicKeys({ id, signing, encryption, kem, version }: PuppetDevice): PublicDevice {
  return {
    id,
    signingKey: signing.publicKey,
    encryptionKey: encryption.publicKey,
    kemKey: kem.publicKey,
    encryptionVersion: version
  }
}

type Place = { username: string; sequence: number; previous: string }

/** The next place in a user's chain. */
export function nextPlace({ username, statements, head }: FakeUser): Place {
  return { username, sequence: statements.length + 1, previous: head }
}

/** A statement that binds a device's keys, for any place of any chain. */
export function binding(
  kind: 'device-add' | 'device-rekey' | 'device-reset',
  { username: user, sequence, previous }: Place,
  device: PuppetDevice,
  ...signers: readonly Pick<PuppetDevice, 'signing'>[]
): Promise<SignedStatement> {
  const text = statementText({
    kind,
    user,
    sequence,
    previous,
    device: device.id,
    purpose: device.purpose,
    signingKey: device.signing.fingerprint,
    encryptionKey: device.encryption.fingerprint,
    kemKey: device.kem.fingerprint,
    encryptionVersion: device.version
  })
  return signStatement(text, device.signing, ...signers.map(({ signing }) => signing))
}

export function revocation(
  { username: user, sequence, previous }: Place,
  device: string,
  by: Pick<PuppetDevice, 'signing'>
): Promise<SignedStatement> {
  return signStatement(statementText({ kind: 'device-revoke', user, sequence, previous, device }), by.signing)
}

/** A device asks for approval: its keys, with its statement that it has signed itself. */
export async function request(user: FakeUser, device: PuppetDevice, name = 'phone'): Promise<NewDevice> {
  return {
    ...keysOf(publicKeys(device)),
    name,
    statement: await binding('device-add', nextPlace(user), device)
  }
}

/** A user whom the test plays, with one device that the honest server has. */
export class Puppet {
  readonly user: FakeUser
  device: PuppetDevice

  constructor(user: FakeUser, device: PuppetDevice) {
    this.user = user
    this.device = device
  }

  get username(): string {
    return this.user.username
  }

  /** Another device of the user, signed by the present one. */
  async add(device?: PuppetDevice): Promise<PuppetDevice> {
    const added = device ?? (await puppetDevice())
    await this.user.append(
      await binding('device-add', nextPlace(this.user), added, this.device),
      publicKeys(added)
    )
    return added
  }

  async revoke(device: string, by: Pick<PuppetDevice, 'signing'> = this.device): Promise<SignedStatement> {
    const statement = await revocation(nextPlace(this.user), device, by)
    await this.user.append(statement)
    return statement
  }

  async rekey(): Promise<SignedStatement> {
    this.device = await rekeyed(this.device)
    const statement = await binding('device-rekey', nextPlace(this.user), this.device)
    await this.user.append(statement, publicKeys(this.device))
    return statement
  }

  async reset(): Promise<SignedStatement> {
    this.device = await puppetDevice()
    return reset(this.user, this.device)
  }
}

/** The server resets a user's chain to a device of its own. Nobody else has to sign that. */
export async function reset(user: FakeUser, device: PuppetDevice): Promise<SignedStatement> {
  const statement = await binding('device-reset', nextPlace(user), device)
  await user.append(statement, publicKeys(device))
  return statement
}
