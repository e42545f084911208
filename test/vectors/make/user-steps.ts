import type { Signer } from '../../../src/crypto/statements.js'
import type { UserStatement } from '../../../src/protocol/statements.js'
import { encryptionKeys, type Device } from './devices.js'
import type { Unlinked } from './link.js'

/** The next statement of a user's chain, its signers, and the place that it claims if that is another one. */
export interface UserStep {
  statement: Unlinked<UserStatement>
  signers: readonly Signer[]
  claimed?: { sequence: number; previous: string }
}

type Binding = Extract<Unlinked<UserStatement>, { signingKey: string }>

function binding(kind: Binding['kind'], user: string, device: Device, changes: Partial<Binding>): Binding {
  return {
    kind,
    user,
    device: device.id,
    purpose: device.purpose,
    signingKey: device.fingerprint,
    encryptionKey: device.encryptionKey,
    kemKey: device.kemKey,
    encryptionVersion: 1,
    ...changes
  }
}

/** The steps of one user. By default the right devices sign them. */
export function stepsOf(user: string) {
  return {
    add: (device: Device, approver?: Device, changes: Partial<Binding> = {}): UserStep => ({
      statement: binding('device-add', user, device, changes),
      signers: approver ? [device, approver] : [device]
    }),
    reset: (device: Device, changes: Partial<Binding> = {}): UserStep => ({
      statement: binding('device-reset', user, device, changes),
      signers: [device]
    }),
    rekey: (device: Device, version: number, changes: Partial<Binding> = {}): UserStep => ({
      statement: binding('device-rekey', user, device, {
        encryptionVersion: version,
        ...newKeys(device, version),
        ...changes
      }),
      signers: [device]
    }),
    revoke: (device: Device, ...signers: Device[]): UserStep => ({
      statement: { kind: 'device-revoke', user, device: device.id },
      signers
    })
  }
}

/** The encryption keys of a device in a version after the first. */
export function newKeys({ id, kemKey }: Device, version: number): { encryptionKey: string; kemKey: string } {
  return encryptionKeys(`${id} version ${version}`, kemKey !== '-')
}

/** A device as a chain binds it: with its first keys, or those of a version. */
export type Bound = Device | [device: Device, version: number, keys?: ReturnType<typeof newKeys>]

/** Where a case begins that would need a long chain. Alice's phone is active, and `devices` beside it. */
export interface From {
  sequence: number
  devices?: readonly Device[]
}

/** A chain, and what it says in the end or the code with which its last statement is refused. */
export interface UserCase {
  title: string
  from?: From
  steps: UserStep[]
  then?: { root: Device; devices: Bound[]; retired: Device[] }
  attack?: string
  refused?: string
}

/** Cases whose last statement would do the same harm. */
export function refusedCases(
  attack: string,
  cases: readonly [refused: string, title: string, ...steps: UserCase['steps']][]
) {
  return cases.map(([refused, title, ...steps]): UserCase => ({ title, steps, attack, refused }))
}
