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
import { sha256Hex } from '../../src/crypto/hash.js'
import { kemKeys } from '../../src/crypto/kem.js'
import {
  importPrivateEncryptionKey,
  importPrivateSigningKey,
  importSigningKey
} from '../../src/crypto/keys.js'
import { linkNumber, linkText } from '../../src/crypto/link-number.js'
import { openMessage, sealMessage } from '../../src/crypto/messages.js'
import { formatRecoveryCode } from '../../src/crypto/recovery-code.js'
import { safetyNumber } from '../../src/crypto/safety-number.js'
import { signStatement, statementHash, type Signer } from '../../src/crypto/statements.js'
import type { Random } from '../../src/crypto/web-crypto.js'
import { unwrapSessionKey } from '../../src/crypto/wraps.js'
import { statementText } from '../../src/protocol/statement-texts.js'
import { parseStatement } from '../../src/protocol/parse-statement.js'
import { type Statement } from '../../src/protocol/statements.js'
import { vectors } from '../support/vectors.js'

type Keys = Record<
  'signingSeed' | 'signingKey' | 'signingFingerprint' | 'encryptionFingerprint' | 'encryptionPrivateKey',
  string
>
type Kem = Record<'kemSeed' | 'kemKey' | 'kemFingerprint', string>
type Signed = Record<'text' | 'hash' | 'signature', string>

const examples = vectors<{
  keys: { alice: Keys; bob: Keys & Kem }
  deviceAdd: { alice: Signed; bob: Signed }
  conversationCreate: Signed
  sessionKey: Record<'id' | 'key' | 'commitment' | 'roster' | 'rosterHash', string> & {
    statement: Signed
  }
  wrap: { wrappedKey: string }
  message: Record<'id' | 'iv' | 'plaintext' | 'ciphertext' | 'signature' | 'digest', string>
  safetyNumber: { number: string }
  linkNumber: { text: string; number: string }
  attachment: Record<'file' | 'key' | 'prefix' | 'stored', string> & { reference: AttachmentReference }
  keyBackup: Record<'secret' | 'recoveryCode' | 'header' | 'content' | 'ciphertext', string>
  passphraseBackup: Record<'passphrase' | 'header' | 'content' | 'ciphertext', string>
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

async function signerOf({ signingSeed, signingFingerprint }: Keys): Promise<Signer> {
  const pkcs8 = encodeBase64(decodeHex(`302e020100300506032b657004220420${signingSeed}`))
  return {
    privateKey: await importPrivateSigningKey(pkcs8, { extractable: false }),
    fingerprint: signingFingerprint
  }
}

const signer = await signerOf(alice)
const signingKey = await importSigningKey(alice.signingKey)

t.test(
  'The statements of docs/protocol.md are written, hashed and signed as the page shows them',
  async (t) => {
    const statements: [kind: Statement['kind'], signed: Signed, by: Keys][] = [
      ['device-add', examples.deviceAdd.alice, alice],
      ['device-add', examples.deviceAdd.bob, bob],
      ['conversation-create', examples.conversationCreate, alice],
      ['conversation-key', examples.sessionKey.statement, alice]
    ]
    for (const [kind, { text, hash, signature }, by] of statements) {
      t.equal(statementText(parseStatement(text, [kind])), text)
      t.equal(await statementHash(text), hash)
      t.strictSame(await signStatement(text, await signerOf(by)), {
        text,
        signatures: { [by.signingFingerprint]: signature }
      })
    }
    t.equal(await sha256Hex(examples.sessionKey.roster), examples.sessionKey.rosterHash)
  }
)

t.test('Bob unwraps the session key of the page and opens its message, sealed byte for byte', async (t) => {
  const { id, key, statement } = examples.sessionKey
  const { commitment } = parseStatement(statement.text, ['conversation-key'])
  const pkcs8 = bob.encryptionPrivateKey.replace(/-----.*?-----|\n/g, '')
  t.equal((await kemKeys(decodeHex(bob.kemSeed))).fingerprint, bob.kemFingerprint)
  const sessionKey = await unwrapSessionKey(
    examples.wrap.wrappedKey,
    {
      signingKey: bob.signingFingerprint,
      encryptionKey: await importPrivateEncryptionKey(pkcs8, { extractable: false }),
      kemSeed: decodeHex(bob.kemSeed)
    },
    { hash: statement.hash, sessionKey: id, commitment }
  )
  t.equal(encodeHex(sessionKey.bytes), key)

  const { iv, plaintext, ciphertext, signature, digest, id: messageId } = examples.message
  const { conversation } = parseStatement(examples.conversationCreate.text, ['conversation-create'])
  const content = JSON.parse(plaintext) as Record<string, unknown>
  const place = { conversationId: conversation, key: statement.hash, sessionKey }
  const message = await sealMessage(
    { ...place, id: messageId, signer, content },
    fixed(encodeHex(decodeBase64(iv)))
  )
  const sealed = { id: messageId, sessionKeyId: id, key: statement.hash, iv, ciphertext, signature }
  t.strictSame(message, sealed)
  const opened = await openMessage({ ...place, by: signer.fingerprint, signingKey, message })
  t.strictSame(opened, { content, digest })
})

t.test('The safety number is the one on the page', async (t) => {
  t.equal(await safetyNumber(alice.signingFingerprint, bob.signingFingerprint), examples.safetyNumber.number)
})

t.test('The link number is the one on the page', async (t) => {
  const line = (name: string) => new RegExp(`^${name} (.*)$`, 'm').exec(examples.linkNumber.text)![1]!
  const link = {
    user: line('user'),
    root: line('root'),
    head: line('head'),
    device: line('device'),
    signingKey: line('signing-key'),
    encryptionKey: line('encryption-key'),
    kemKey: line('kem-key')
  }
  t.equal(linkText(link), examples.linkNumber.text)
  t.equal(await linkNumber(link), examples.linkNumber.number)
})

t.test('The attachment is encrypted byte for byte, and decrypted', async (t) => {
  const { file, key, prefix, stored, reference } = examples.attachment
  const pieces = async (source: AsyncIterable<Uint8Array>) => {
    const all: Uint8Array[] = []
    for await (const piece of source) all.push(piece)
    return concat(...all)
  }
  const once = async function* (bytes: Uint8Array) {
    yield bytes
  }
  const attachment = encryptAttachment(once(encodeUtf8(file)), fixed(key, prefix))
  t.equal(encodeBase64(await pieces(attachment.ciphertext)), stored)
  t.strictSame(attachment.reference(), reference)
  t.equal(decodeUtf8(await pieces(decryptAttachment(reference, once(decodeBase64(stored))))), file)
})

t.test('Key backups are sealed byte for byte, and open with their secrets', async (t) => {
  const { secret, recoveryCode } = examples.keyBackup
  t.equal(await formatRecoveryCode(decodeHex(secret)), recoveryCode)
  const backups = [
    [examples.keyBackup, { recoveryCode }],
    [examples.passphraseBackup, { passphrase: examples.passphraseBackup.passphrase }]
  ] as const
  for (const [{ header, content, ciphertext }, opener] of backups) {
    const [, device, salt, iv] = /device (.*)\n[^]*salt (.*)\niv (.*)\n/.exec(header)!
    const backup = { device: device!, content: encodeUtf8(content) }
    const blob = await sealBackup(backup, opener, { random: fixed(salt!, iv!) })
    t.strictSame(blob, concat(encodeUtf8(header), decodeBase64(ciphertext)))
    t.equal(decodeUtf8(await openBackup(blob, opener)), content)
  }
})
