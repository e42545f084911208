import t from 'tap'
import { decodeHex, encodeHex } from '../../src/crypto/encoding.js'
import { importPrivateEncryptionKey, importSigningKey } from '../../src/crypto/keys.js'
import { statementHash, verifyStatement } from '../../src/crypto/statements.js'
import { unwrapSessionKey, wrapHash } from '../../src/crypto/wraps.js'
import { parseStatement } from '../../src/protocol/parse-statement.js'
import { vectors } from '../support/vectors.js'

interface Device {
  signingFingerprint: string
  encryptionPrivateKey: string
  kemSeed?: string
}

const group = vectors<{
  keys: Record<'tablet' | 'carol', Device>
  links: { text: string; hash: string }[]
  sessionKeys: { id: string; key: string }[]
  wrap: string
  added: { statement: { text: string; signatures: Record<string, string> }; wrap: string }
}>('group')
const { alice } = vectors<{
  keys: { alice: { signingKey: string; signingFingerprint: string } }
}>('examples').keys

async function unwrap(wrap: string, device: Device, link: { text: string; hash: string }): Promise<string> {
  const pkcs8 = device.encryptionPrivateKey.replace(/-----.*?-----|\n/g, '')
  const { sessionKey, commitment } = parseStatement(link.text, ['conversation-key'])
  t.equal(await statementHash(link.text), link.hash)
  const { bytes } = await unwrapSessionKey(
    wrap,
    {
      signingKey: device.signingFingerprint,
      encryptionKey: await importPrivateEncryptionKey(pkcs8, { extractable: false }),
      kemSeed: device.kemSeed === undefined ? undefined : decodeHex(device.kemSeed)
    },
    { hash: link.hash, sessionKey, commitment }
  )
  return encodeHex(bytes)
}

t.test('A device without a KEM key opens the wrap that the page shows for it', async (t) => {
  const second = group.links[5]!
  t.equal(await unwrap(group.wrap, group.keys.carol, second), group.sessionKeys[1]!.key)
})

t.test('A linked device opens the later wrap of the page, which its statement names', async (t) => {
  const { statement, wrap } = group.added
  const keys = new Map([[alice.signingFingerprint, await importSigningKey(alice.signingKey)]])
  t.strictSame([...(await verifyStatement(statement, keys))], [alice.signingFingerprint])
  t.equal(parseStatement(statement.text, ['wrap-added']).wrap, await wrapHash(wrap))
  t.equal(await unwrap(wrap, group.keys.tablet, group.links[1]!), group.sessionKeys[0]!.key)
})
