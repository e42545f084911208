import t from 'tap'
import type { AttachmentReference } from '../../src/crypto/attachment-reference.js'
import { decryptAttachment, encryptAttachment } from '../../src/crypto/attachments.js'
import { openBackup, sealBackup } from '../../src/crypto/backup.js'
import {
  concat,
  decodeBase64,
  decodeHex,
  decodeUtf8,
  encodeBase64,
  encodeHex,
  encodeUtf8
} from '../../src/crypto/encoding.js'
import {
  importPrivateEncryptionKey,
  importPrivateSigningKey,
  importSigningKey
} from '../../src/crypto/keys.js'
import { openMessage, sealMessage } from '../../src/crypto/messages.js'
import { formatRecoveryCode } from '../../src/crypto/recovery-code.js'
import { safetyNumber } from '../../src/crypto/safety-number.js'
import { rosterHash, unwrapSessionKey, verifySessionKey } from '../../src/crypto/session-keys.js'
import { signStatement, statementHash } from '../../src/crypto/statements.js'
import type { Random } from '../../src/crypto/web-crypto.js'
import { statementText } from '../../src/protocol/statement-texts.js'
import { parseStatement, type Statement } from '../../src/protocol/statements.js'
import { vectors } from '../support/vectors.js'

type Keys = Record<
  'signingSeed' | 'signingKey' | 'signingFingerprint' | 'encryptionFingerprint' | 'encryptionPrivateKey',
  string
>
type Signed = Record<'text' | 'hash' | 'signature', string>

const examples = vectors<{
  keys: { alice: Keys; bob: Keys }
  deviceAdd: Signed
  conversationCreate: Signed
  sessionKey: Record<'id' | 'key' | 'commitment' | 'rosterHash' | 'wrappedKey', string> & {
    statement: Signed
  }
  message: Record<'id' | 'iv' | 'plaintext' | 'ciphertext' | 'signature' | 'digest', string>
  safetyNumber: { number: string }
  attachment: Record<'file' | 'key' | 'prefix' | 'ciphertext', string> & { reference: AttachmentReference }
  keyBackup: Record<'secret' | 'recoveryCode' | 'header' | 'content' | 'ciphertext', string>
}>('examples')
const { alice, bob } = examples.keys

/** Returns these bytes (in hex) in order, instead of random ones. */
function fixed(...parts: string[]): Random {
  return (length) => {
    const bytes = decodeHex(parts.shift()!)
    if (bytes.length !== length) throw new Error(`${length} bytes were requested, not ${bytes.length}`)
    return bytes
  }
}

const pkcs8 = encodeBase64(decodeHex(`302e020100300506032b657004220420${alice.signingSeed}`))
const signer = {
  privateKey: await importPrivateSigningKey(pkcs8, { extractable: false }),
  fingerprint: alice.signingFingerprint
}
const signingKey = await importSigningKey(alice.signingKey)

t.test(
  'The statements of docs/protocol.md are written, hashed and signed as the page shows them',
  async (t) => {
    const kinds: [kind: Statement['kind'], signed: Signed][] = [
      ['device-add', examples.deviceAdd],
      ['conversation-create', examples.conversationCreate],
      ['session-key', examples.sessionKey.statement]
    ]
    for (const [kind, { text, hash, signature }] of kinds) {
      t.equal(statementText(parseStatement(text, [kind])), text)
      t.equal(await statementHash(text), hash)
      t.strictSame(await signStatement(text, signer), {
        text,
        signatures: { [signer.fingerprint]: signature }
      })
    }
  }
)

t.test(
  'Bob accepts the session key of the page and opens its message, which is sealed byte for byte',
  async (t) => {
    const { id, key, wrappedKey, statement } = examples.sessionKey
    const { conversation } = parseStatement(examples.conversationCreate.text, ['conversation-create'])
    const roster = [alice, bob].map((one) => ({
      signingKey: one.signingFingerprint,
      encryptionKey: one.encryptionFingerprint
    }))
    t.equal(await rosterHash(roster), examples.sessionKey.rosterHash)
    const { commitment } = await verifySessionKey(
      { text: statement.text, signatures: { [signer.fingerprint]: statement.signature } },
      { conversationId: conversation, id, roster, signingKeys: new Map([[signer.fingerprint, signingKey]]) }
    )
    const privateKey = await importPrivateEncryptionKey(
      bob.encryptionPrivateKey.replace(/-----.*?-----|\n/g, ''),
      { extractable: false }
    )
    const sessionKey = await unwrapSessionKey(privateKey, wrappedKey, { id, commitment })
    t.equal(encodeHex(sessionKey.bytes), key)

    const { iv, plaintext, ciphertext, signature, digest, id: messageId } = examples.message
    const content = JSON.parse(plaintext) as Record<string, unknown>
    const place = { conversationId: conversation, sessionKey }
    const message = await sealMessage(
      { ...place, id: messageId, signer, content },
      fixed(encodeHex(decodeBase64(iv)))
    )
    t.strictSame(message, { id: messageId, sessionKeyId: id, iv, ciphertext, signature })
    t.strictSame(await openMessage({ ...place, by: signer.fingerprint, signingKey, message }), {
      content,
      digest
    })
  }
)

t.test('The safety number is the one on the page', async (t) => {
  t.equal(await safetyNumber(alice.signingFingerprint, bob.signingFingerprint), examples.safetyNumber.number)
})

t.test('The attachment is encrypted byte for byte, and decrypted', async (t) => {
  const { file, key, prefix, ciphertext, reference } = examples.attachment
  const pieces = async (source: AsyncIterable<Uint8Array>) => {
    const all: Uint8Array[] = []
    for await (const piece of source) all.push(piece)
    return concat(...all)
  }
  const once = async function* (bytes: Uint8Array) {
    yield bytes
  }
  const attachment = encryptAttachment(once(encodeUtf8(file)), fixed(key, prefix))
  t.equal(encodeBase64(await pieces(attachment.ciphertext)), ciphertext)
  t.strictSame(attachment.reference(), reference)
  t.equal(decodeUtf8(await pieces(decryptAttachment(reference, once(decodeBase64(ciphertext))))), file)
})

t.test('The key backup is sealed byte for byte, and opens with its recovery code', async (t) => {
  const { secret, recoveryCode, header, content, ciphertext } = examples.keyBackup
  t.equal(await formatRecoveryCode(decodeHex(secret)), recoveryCode)
  const [, salt, iv] = /salt (.*)\niv (.*)\n/.exec(header)!
  const blob = await sealBackup(encodeUtf8(content), { recoveryCode }, { random: fixed(salt!, iv!) })
  t.strictSame(blob, concat(encodeUtf8(header), decodeBase64(ciphertext)))
  t.equal(decodeUtf8(await openBackup(blob, { recoveryCode })), content)
})
