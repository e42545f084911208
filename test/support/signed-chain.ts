import { randomUUID } from 'node:crypto'
import { cheapKeys } from './bad-input.js'
import type { InteropClient } from './interop/client.js'
import { signed, statementHash, statementText, type Statement } from './interop/chains.js'
import { kemFp, type DeviceKeys } from './interop/crypto.js'
import type { Answer } from './interop/http.js'

/** A device as a chain names it. */
export interface SignedDevice {
  id: string
  keys: DeviceKeys
  version: number
  purpose: 'chat' | 'recovery'
}

/** The public keys of a device, as they travel beside statements. */
export type StatementKeys = { device: string; signingKey: string; encryptionKey?: string; kemKey?: string }

/**
 * A user's chain that goes on without a server: it begins with the statement with which the user registers. Each
 * step signs one statement.
 */
export class SignedChain {
  readonly username: string
  readonly first: SignedDevice
  readonly statements: Statement[]
  readonly devices = new Map<string, SignedDevice>()

  constructor(client: InteropClient) {
    const { username, deviceId: id, keys, purpose } = client
    this.username = username
    this.first = { id, keys, version: 1, purpose }
    this.devices.set(id, this.first)
    this.statements = [client.firstStatement()]
  }

  get head(): string {
    return statementHash(this.statements.at(-1)!)
  }

  add({ by = this.first, ...given }: Partial<SignedDevice> & { by?: SignedDevice } = {}): SignedDevice {
    const device = this.#newDevice(given)
    this.#bind('device-add', device, device.keys, by.keys)
    return device
  }

  reset(given: Partial<SignedDevice> = {}): SignedDevice {
    const device = this.#newDevice(given)
    this.#bind('device-reset', device, device.keys)
    return device
  }

  rekey(device: SignedDevice, keys = cheapKeys({ signing: device.keys.signingPrivate })): void {
    device.keys = keys
    device.version++
    this.#bind('device-rekey', device, keys)
  }

  revoke({ id }: SignedDevice, by = this.first): void {
    this.#sign('device-revoke', [['device', id]], by.keys)
  }

  /** The keys that statements after `sequence` need. `without` names devices whose keys nobody has but one. */
  keysAfter(sequence: number, without: readonly SignedDevice[] = []): StatementKeys[] {
    const named = new Set(
      this.after(sequence).flatMap(({ text }) =>
        text.includes('purpose ') ? /^device (.*)$/m.exec(text)![1]! : []
      )
    )
    return [...named].map((device) => {
      const { keys } = this.devices.get(device)!
      const { signingKey, encryptionKey, kemKey } = keys
      const retired = without.some(({ id }) => id === device)
      return {
        device,
        signingKey,
        ...(!retired && { encryptionKey, ...(kemKey !== undefined && { kemKey }) })
      }
    })
  }

  after(sequence: number): Statement[] {
    return this.statements.slice(sequence)
  }

  /** Sends what follows `sequence` to a server, up to statement `end`. */
  post(
    by: InteropClient,
    sequence: number,
    body: { statements?: readonly Statement[]; keys?: readonly StatementKeys[] } = {}
  ): Promise<Answer<{ head: string; sequence: number }>> {
    const { statements = this.after(sequence), keys = this.keysAfter(sequence) } = body
    return by.raw('POST', `/v1/users/${this.username}/chain`, { body: { statements, keys } })
  }

  #newDevice(given: Partial<SignedDevice>): SignedDevice {
    const device = { id: randomUUID(), keys: cheapKeys(), version: 1, purpose: 'chat' as const, ...given }
    this.devices.set(device.id, device)
    return device
  }

  #bind(kind: string, device: SignedDevice, ...signers: DeviceKeys[]): void {
    const { id, keys, version, purpose } = device
    this.#sign(
      kind,
      [
        ['device', id],
        ['purpose', purpose],
        ['signing-key', keys.signingFp],
        ['encryption-key', keys.encryptionFp],
        ['kem-key', kemFp(keys)],
        ['encryption-version', version]
      ],
      ...signers
    )
  }

  #sign(kind: string, lines: [string, string | number][], ...signers: DeviceKeys[]): void {
    const link: [string, string | number][] = [
      ['user', this.username],
      ['sequence', this.statements.length + 1],
      ['previous', this.head]
    ]
    this.statements.push(signed(statementText(kind, [...link, ...lines]), ...signers))
  }
}
