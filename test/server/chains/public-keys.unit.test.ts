import { createPublicKey, verify } from 'node:crypto'
import { isUtf8 } from 'node:buffer'
import t from 'tap'
import { RuleViolation } from '../../../src/protocol/rule-violation.js'
import { readSigningKey, verifySignatures } from '../../../src/server/chains/public-keys.js'
import { wycheproof } from '../../support/vectors.js'

interface Group {
  publicKey: { pk: string }
  tests: { tcId: number; comment: string; msg: string; sig: string; result: 'valid' | 'invalid' }[]
}

/** What comes before the 32 bytes of an Ed25519 key in its SPKI (RFC 8410, section 4). */
const SPKI = '302a300506032b6570032100'

function signingKey(raw: string) {
  const key = createPublicKey({ key: Buffer.from(SPKI + raw, 'hex'), format: 'der', type: 'spki' })
  return readSigningKey(key.export({ format: 'pem', type: 'spki' }).toString())
}

t.test('A signature counts exactly when RFC 8032 says so: Wycheproof’s vectors for Ed25519', async (t) => {
  const wrong: string[] = []
  let statements = 0
  for (const { publicKey, tests } of wycheproof<Group>('ed25519_test')) {
    const { key, fingerprint } = signingKey(publicKey.pk)
    for (const { tcId, comment, msg, sig, result } of tests) {
      const [message, signature] = [Buffer.from(msg, 'hex'), Buffer.from(sig, 'hex')]
      let valid = verify(null, message, key, signature)
      if (valid !== (result === 'valid')) wrong.push(`${tcId} by itself: ${comment}`)
      if (!isUtf8(message)) continue
      statements++
      const signatures = { [fingerprint]: signature.toString('base64') }
      try {
        verifySignatures({ text: message.toString(), signatures }, new Map([[fingerprint, key]]))
        valid = true
      } catch (error) {
        valid = !(error instanceof RuleViolation && error.code === 'invalid-signature')
      }
      if (valid !== (result === 'valid')) wrong.push(`${tcId} of a statement: ${comment}`)
    }
  }
  t.strictSame(wrong, [])
  t.ok(statements > 50, `${statements} of them as statements`)
})
