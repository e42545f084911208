import type { SignedStatement } from '../../../src/protocol/schema.js'
import { device, type Device } from './devices.js'
import { link, start, type Place } from './link.js'
import { newKeys, stepsOf, type UserStep } from './user-steps.js'

/** A user with a whole chain. Cases go by it up to the statement that their `state` lines name. */
export interface Person {
  username: string
  statements: SignedStatement[]
  /** The hash of each statement. */
  heads: string[]
  /** Oldest first. */
  roots: string[]
}

async function person(username: string, ...steps: UserStep[]): Promise<Person> {
  const found: Person = { username, statements: [], heads: [], roots: [] }
  let place: Place = start
  for (const { statement, signers } of steps) {
    const next = await link(statement, signers, place)
    place = next.place
    found.statements.push(next.signed)
    found.heads.push(place.head)
    if (found.roots.length === 0 || statement.kind === 'device-reset')
      found.roots.push(signers[0]!.fingerprint)
  }
  return found
}

export const alicePhone = await device('alice', 1)
export const aliceTablet = await device('alice', 2)
export const aliceTabletRekeyed: Device = { ...aliceTablet, ...newKeys(aliceTablet, 2) }
export const aliceBackup = await device('alice', 5, { purpose: 'recovery' })
export const aliceDesk = await device('alice', 6)
const ofAlice = stepsOf('alice')
export const alice = await person(
  'alice',
  ofAlice.add(alicePhone),
  ofAlice.add(aliceTablet, alicePhone),
  ofAlice.rekey(aliceTablet, 2),
  ofAlice.add(aliceBackup, alicePhone),
  ofAlice.revoke(alicePhone, aliceTablet),
  ofAlice.reset(aliceDesk)
)

export const bobPhone = await device('bob', 1)
export const bobTablet = await device('bob', 2)
export const bobDesk = await device('bob', 3)
export const bobLaptop = await device('bob', 4)
const ofBob = stepsOf('bob')
export const bob = await person(
  'bob',
  ofBob.add(bobPhone),
  ofBob.add(bobTablet, bobPhone),
  ofBob.revoke(bobTablet, bobPhone),
  ofBob.reset(bobDesk),
  ofBob.reset(bobLaptop)
)

export const carolPhone = await device('carol', 1)
export const carolDesk = await device('carol', 2)
const ofCarol = stepsOf('carol')
export const carol = await person('carol', ofCarol.add(carolPhone), ofCarol.reset(carolDesk))

/** Dave's device has no KEM key. */
export const davePhone = await device('dave', 1, { kem: false })
export const dave = await person('dave', stepsOf('dave').add(davePhone))

/** Erin has no device any more after the second statement. */
export const erinPhone = await device('erin', 1)
const ofErin = stepsOf('erin')
export const erin = await person('erin', ofErin.add(erinPhone), ofErin.revoke(erinPhone, erinPhone))

/** Frank binds the signing key of Dave's device with the second statement of the chain. */
export const frankPhone = await device('frank', 1)
export const frankDesk = await device('frank', 3)
const frankCopy: Device = { ...(await device('frank', 2)), ...signerOf(davePhone) }
const ofFrank = stepsOf('frank')
export const frank = await person(
  'frank',
  ofFrank.add(frankPhone),
  ofFrank.add(frankCopy, frankPhone),
  ofFrank.reset(frankDesk)
)
export { frankCopy }

/** Mallory is in none of the conversations at first. */
export const malloryPhone = await device('mallory', 1)
export const mallory = await person('mallory', stepsOf('mallory').add(malloryPhone))

export const people = [alice, bob, carol, dave, erin, frank, mallory]

function signerOf({ privateKey, fingerprint, publicKey }: Device) {
  return { privateKey, fingerprint, publicKey }
}
