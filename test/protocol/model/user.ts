import type { SignedStatement } from '../../../src/protocol/schema.js'
import { statementText } from '../../../src/protocol/statement-texts.js'
import type { Purpose, UserStatement } from '../../../src/protocol/statements.js'
import { extendUserHistory, type UserHistory } from '../../../src/protocol/user-history.js'
import { sha256, signedBy, signingKey } from './keys.js'

export interface ModelDevice {
  username: string
  id: string
  purpose: Purpose
  signingKey: string
  encryptionKey: string
  kemKey: string
  encryptionVersion: number
}

/** What a user's chain says after one of its statements, by the model's own account. */
export interface ModelState {
  head: string
  root: string
  devices: readonly ModelDevice[]
  /** Whether the statement is a `device-add`, and when it was made, in minutes. */
  isAdd: boolean
  minute: number
}

/** A user whose devices come and go. */
export class ModelUser {
  readonly username: string
  readonly states: ModelState[] = []
  /** Every device that the user ever had. */
  readonly devices: ModelDevice[] = []
  /** How the statements are made, in order, for those who verify signatures. */
  readonly #drafts: { text: string; signers: string[] }[] = []
  /** The chain after each statement, as the product reads it. */
  readonly histories: UserHistory[] = []

  constructor(username: string) {
    this.username = username
    const first = this.#newDevice('chat')
    this.#take(binding('device-add', first), [first], { root: first.signingKey, devices: [first] }, 0)
  }

  /** The statements after number `sequence`, signed. */
  signed(sequence: number): SignedStatement[] {
    return this.#drafts.slice(sequence).map(({ text, signers }) => signedBy(text, ...signers))
  }

  get newest(): ModelState {
    return this.states.at(-1)!
  }

  add(purpose: Purpose, minute: number): void {
    const { root, devices } = this.newest
    if (devices.length === 0) return
    const device = this.#newDevice(purpose)
    const after = { root, devices: [...devices, device] }
    this.#take(binding('device-add', device), [device, devices[0]!], after, minute)
  }

  rekey(device: ModelDevice, minute: number): void {
    const { root, devices } = this.newest
    const version = device.encryptionVersion + 1
    const next = { ...device, ...encryptionKeys(`${device.id} ${version}`), encryptionVersion: version }
    const after = { root, devices: devices.map((one) => (one.id === next.id ? next : one)) }
    this.#take(binding('device-rekey', next), [device], after, minute)
  }

  revoke({ id }: ModelDevice, by: ModelDevice, minute: number): void {
    const { root, devices } = this.newest
    const after = { root, devices: devices.filter((one) => one.id !== id) }
    this.#take({ kind: 'device-revoke', device: id }, [by], after, minute)
  }

  reset(minute: number): void {
    const device = this.#newDevice('chat')
    const after = { root: device.signingKey, devices: [device] }
    this.#take(binding('device-reset', device), [device], after, minute)
  }

  #newDevice(purpose: Purpose): ModelDevice {
    const { username } = this
    const number = this.devices.length + 1
    const name = `${username} ${number}`
    const id = `00000000-0000-4000-8000-${String(number).padStart(12, '0')}`
    const keys = encryptionKeys(name)
    const device = {
      username,
      id,
      purpose,
      signingKey: signingKey(name),
      ...keys,
      encryptionVersion: 1
    }
    this.devices.push(device)
    return device
  }

  #take(
    fields: Fields,
    signers: readonly ModelDevice[],
    after: Pick<ModelState, 'root' | 'devices'>,
    minute: number
  ): void {
    const { username: user, states } = this
    const link = { user, sequence: states.length + 1, previous: states.at(-1)?.head ?? '-' }
    const statement = { ...fields, ...link } as UserStatement
    const text = statementText(statement)
    const head = sha256(text)
    const draft = { text, signers: signers.map((device) => device.signingKey) }
    this.#drafts.push(draft)
    const before = this.histories.at(-1) ?? null
    this.histories.push(extendUserHistory(before, statement, head, new Set(draft.signers)))
    states.push({ ...after, head, isAdd: fields.kind === 'device-add', minute })
  }
}

type Fields = { kind: UserStatement['kind']; device: string }

function binding(kind: Fields['kind'], { id, ...keys }: ModelDevice): Fields {
  return { ...keys, kind, device: id }
}

function encryptionKeys(name: string): { encryptionKey: string; kemKey: string } {
  return { encryptionKey: sha256(`${name} encryption`), kemKey: sha256(`${name} kem`) }
}

/** The devices of a user's state as the lines of a roster. */
export function rosterLines(devices: readonly ModelDevice[]): string[] {
  return devices.map(({ username, id, ...keys }) =>
    [username, id, keys.signingKey, keys.encryptionKey, keys.kemKey].join(' ')
  )
}
