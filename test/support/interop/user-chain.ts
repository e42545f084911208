import {
  NO_LINK,
  parseStatement,
  requireLink,
  signersOf,
  statementHash,
  value,
  type KnownKeys,
  type Link,
  type Parsed,
  type Statement
} from './chains.js'
import { check, given } from './refused.js'

export interface ChainDevice {
  readonly id: string
  readonly purpose: string
  readonly signingFp: string
  readonly encryptionFp: string
  /** `-` for a device without a KEM key. */
  readonly kemFp: string
  readonly version: number
}

/** A user's chain as far as one of its statements. */
export interface UserState extends Link {
  readonly root: string
  /** Active devices by id. */
  readonly active: ReadonlyMap<string, ChainDevice>
}

/** A device as it came into the chain. */
export interface Binding extends ChainDevice {
  readonly sequence: number
  /** The user's root then. */
  readonly root: string
}

export interface UserChain extends UserState {
  readonly user: string
  /** After each statement, by its number. */
  readonly states: ReadonlyMap<number, UserState>
  /** Every device there ever was, by id. */
  readonly ever: ReadonlyMap<string, Binding>
  /** Fingerprints of all keys that devices have or had. */
  readonly used: ReadonlySet<string>
}

/** The largest sequence of a statement of each kind. */
const LAST: Readonly<Record<string, number>> = {
  'device-rekey': 800,
  'device-add': 900,
  'device-reset': 980,
  'device-revoke': 1000
}
const MAX_DEVICES = 16

export const noUser = (user: string): UserChain => ({
  ...NO_LINK,
  user,
  root: '',
  active: new Map(),
  states: new Map(),
  ever: new Map(),
  used: new Set()
})

/** Verifies statements from the end of a known chain on. @throws Refused at the first that does not stand */
export function replayUser(
  user: string,
  statements: readonly Statement[],
  known: KnownKeys,
  from: UserChain = noUser(user)
): UserChain {
  const replay = new Replay(from)
  for (const statement of statements) replay.take(statement, signersOf(statement, known))
  return { user, ...replay.state, states: replay.states, ever: replay.ever, used: replay.used }
}

class Replay {
  readonly states: Map<number, UserState>
  readonly ever: Map<string, Binding>
  readonly used: Set<string>
  state: UserState
  readonly #user: string

  constructor(from: UserChain) {
    const { user, sequence, head, root, active, states, ever, used } = from
    this.#user = user
    this.state = { sequence, head, root, active }
    this.states = new Map(states)
    this.ever = new Map(ever)
    this.used = new Set(used)
  }

  take(statement: Statement, signers: readonly string[]): void {
    const parsed = parseStatement(statement.text)
    const last = given(LAST[parsed.kind], `a ${parsed.kind} in a user's chain`)
    requireLink(parsed, this.state)
    check(value(parsed, 'user') === this.#user, `a statement of ${value(parsed, 'user')}`)
    const sequence = this.state.sequence + 1
    check(sequence <= last, `a ${parsed.kind} with the number ${sequence}`)
    const active = new Map(this.state.active)
    const root =
      parsed.kind === 'device-revoke'
        ? this.#revoke(active, value(parsed, 'device'), signers)
        : this.#bind(parsed.kind, deviceOf(parsed), active, signers)
    check(active.size <= MAX_DEVICES, `${active.size} active devices`)
    this.state = { sequence, head: statementHash(statement), root, active }
    this.states.set(sequence, this.state)
  }

  /** @returns the root afterwards */
  #bind(
    kind: string,
    device: ChainDevice,
    active: Map<string, ChainDevice>,
    signers: readonly string[]
  ): string {
    const { sequence } = this.state
    check(signers.includes(device.signingFp), `a ${kind} without a signature of its device`)
    const others = signers.filter((fp) => fp !== device.signingFp)
    let { root } = this.state
    if (kind === 'device-rekey') {
      check(others.length === 0, 'another device signed new keys')
      this.#rekey(device, given(active.get(device.id), `new keys of ${device.id}, which is not active`))
    } else {
      check(device.version === 1, `a new device with version ${device.version}`)
      check(!this.ever.has(device.id), `device ${device.id} was in the chain before`)
      this.#use(device.signingFp, device.encryptionFp, device.kemFp)
      if (kind === 'device-reset') {
        check(sequence > 0, 'a chain that begins with a reset')
        check(others.length === 0, 'another device signed a reset')
        active.clear()
      } else if (sequence > 0) requireActive(active, others, 'a new device')
      else check(others.length === 0, 'another device signed the first one')
      if (kind === 'device-reset' || sequence === 0) {
        check(device.purpose === 'chat', `a root of a device for ${device.purpose}`)
        root = device.signingFp
      }
      this.ever.set(device.id, { ...device, sequence: sequence + 1, root })
    }
    active.set(device.id, device)
    return root
  }

  #rekey(device: ChainDevice, before: ChainDevice): void {
    check(device.signingFp === before.signingFp, 'new keys under another signing key')
    check(device.purpose === before.purpose, 'new keys for another purpose')
    check(device.version === before.version + 1, `version ${device.version} after ${before.version}`)
    check(before.kemFp === '-' || device.kemFp !== '-', 'a device loses its KEM key')
    this.#use(device.encryptionFp, device.kemFp)
  }

  #revoke(active: Map<string, ChainDevice>, id: string, signers: readonly string[]): string {
    requireActive(active, signers, 'a revocation')
    check(active.delete(id), `revokes ${id}, which is not active`)
    return this.state.root
  }

  #use(...fingerprints: readonly string[]): void {
    for (const fp of fingerprints) {
      if (fp === '-') continue
      check(!this.used.has(fp), `the key ${fp} was in the chain before`)
      this.used.add(fp)
    }
  }
}

function requireActive(
  active: ReadonlyMap<string, ChainDevice>,
  signers: readonly string[],
  what: string
): void {
  const fingerprints = new Set([...active.values()].map(({ signingFp }) => signingFp))
  check(signers.length > 0, `${what} that no device of the user signed`)
  for (const fp of signers) check(fingerprints.has(fp), `${what} that ${fp} signed, which is not active`)
}

/** The device that a statement names, with its keys. */
export const deviceOf = (parsed: Parsed): ChainDevice => ({
  id: value(parsed, 'device'),
  purpose: value(parsed, 'purpose'),
  signingFp: value(parsed, 'signing-key'),
  encryptionFp: value(parsed, 'encryption-key'),
  kemFp: value(parsed, 'kem-key'),
  version: Number(value(parsed, 'encryption-version'))
})

/** Devices that a state knows as gone: they were in the chain by then, and are not active. */
export const retiredAt = (chain: UserChain, state: UserState): Binding[] =>
  [...chain.ever.values()].filter(({ id, sequence }) => sequence <= state.sequence && !state.active.has(id))
