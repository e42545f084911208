import type { SignedStatement } from '../../../src/protocol/schema.js'
import { phone } from './alices-devices.js'
import { signingKeysIn } from './devices.js'
import { goodUserCases } from './good-user-chains.js'
import { link, start, type Place } from './link.js'
import { refusedUserCases } from './refused-user-chains.js'
import { newKeys, type Bound, type From, type UserCase } from './user-steps.js'

export async function userChainVectors() {
  const cases = await Promise.all([...goodUserCases, ...refusedUserCases].map(made))
  return {
    version: 1,
    about: [
      'Users’ chains. signingKeys: public keys by their fingerprint. A case is a chain from its first statement, or from the',
      'state in from, where it needs a long chain. then: what the chain says after the last statement; devices are the',
      'active ones. refused: all statements but the last are good, and the last must be refused with that code; attack says',
      'what it would amount to.'
    ],
    signingKeys: signingKeysIn(cases),
    cases
  }
}

async function made({ title, from, steps, then, attack, refused }: UserCase) {
  const before = from && stateFrom(from)
  let place: Place = before ?? start
  const statements: SignedStatement[] = []
  for (const { statement, signers, claimed } of steps) {
    const next = await link(statement, signers, place, claimed)
    statements.push(next.signed)
    place = next.place
  }
  return {
    title,
    ...(before && { from: before }),
    statements,
    ...(then && { then: { ...place, ...shown(then) } }),
    ...(refused !== undefined && { attack, refused })
  }
}

function stateFrom({ sequence, devices = [] }: From) {
  const head = phone.encryptionKey
  return { sequence, head, ...shown({ root: phone, devices: [phone, ...devices], retired: [] }) }
}

function shown({ root, devices, retired }: NonNullable<UserCase['then']>) {
  return { root: root.fingerprint, devices: devices.map(bound), retired: retired.map(({ id }) => id) }
}

function bound(one: Bound) {
  const [device, version, keys = newKeys(device, version)] = Array.isArray(one) ? one : [one, 1, one]
  const { id, purpose, fingerprint: signingKey } = device
  const { encryptionKey, kemKey } = keys
  return { id, purpose, signingKey, encryptionKey, kemKey, encryptionVersion: version }
}
