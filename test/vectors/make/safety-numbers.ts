import { safetyNumber } from '../../../src/crypto/safety-number.js'
import { alice, bob, carol, mallory, type Actor } from './actors.js'

export async function safetyNumberVectors() {
  const pairs: [Actor, Actor][] = [
    [alice, bob],
    [alice, carol],
    [mallory, bob]
  ]
  return {
    about: [
      'Two roots, in either order, and their safety number; and roots that must be refused with bad-encoding.'
    ],
    cases: await Promise.all(
      pairs.map(async ([{ fingerprint: a }, { fingerprint: b }]) => ({
        roots: [a, b],
        safetyNumber: await safetyNumber(a, b)
      }))
    ),
    badRoots: ['', alice.fingerprint.toUpperCase(), alice.fingerprint.slice(1), `${alice.fingerprint}\n`]
  }
}
