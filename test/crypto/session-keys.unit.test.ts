import t from 'tap'
import { generateSessionKey, importSessionKey, sessionKeyCommitment } from '../../src/crypto/session-keys.js'
import { refusal } from '../support/refusal.js'

t.test('A session key has 32 bytes, a UUID and a commitment to both', async (t) => {
  const one = await generateSessionKey()
  const two = await generateSessionKey()
  t.notSame(one.bytes, two.bytes)
  t.not(one.id, two.id)
  const renamed = await importSessionKey(two.id, one.bytes)
  const commitments = [one, two, renamed].map(sessionKeyCommitment)
  t.equal(new Set(await Promise.all(commitments)).size, 3)
  t.equal(await refusal(importSessionKey(one.id, one.bytes.subarray(1))), 'bad-key')
  t.equal(await refusal(importSessionKey(one.id.toUpperCase(), one.bytes)), 'bad-encoding')
})
