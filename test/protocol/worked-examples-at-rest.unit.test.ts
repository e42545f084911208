import { createCipheriv, createHash, hkdfSync } from 'node:crypto'
import t from 'tap'
import { vectors } from '../support/vectors.js'

const { keys, safetyNumber, attachment, keyBackup } = vectors<{
  keys: Record<'alice' | 'bob', { signingFingerprint: string }>
  safetyNumber: Record<'text' | 'firstHash' | 'lastHash' | 'number', string>
  attachment: Record<'file' | 'key' | 'prefix' | 'nonce' | 'ciphertext', string> & {
    reference: { key: string; commitment: string; size: number; sha256: string }
  }
  keyBackup: Record<'secret' | 'check' | 'recoveryCode' | 'key' | 'header' | 'content' | 'ciphertext', string>
}>('examples')

const fromHex = (text: string): Buffer => Buffer.from(text, 'hex')
const hkdf = (key: Buffer, salt: Buffer, info: string): string =>
  Buffer.from(hkdfSync('sha256', key, salt, info, 32)).toString('hex')

function encrypt(key: string, iv: string, plaintext: string, additionalData: string): Buffer {
  const cipher = createCipheriv('aes-256-gcm', fromHex(key), fromHex(iv)).setAAD(Buffer.from(additionalData))
  return Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()])
}

t.test('The safety number follows from the two roots', async (t) => {
  const roots = [keys.alice.signingFingerprint, keys.bob.signingFingerprint].sort()
  t.equal(
    safetyNumber.text,
    `secure-chat/v1 safety-number\n${roots.map((root) => `root ${root}\n`).join('')}`
  )
  const sha512 = (...parts: (string | Buffer)[]) =>
    parts.reduce((hash, part) => hash.update(part), createHash('sha512')).digest()
  let hash = sha512(safetyNumber.text)
  t.equal(hash.toString('hex'), safetyNumber.firstHash)
  for (let i = 2; i <= 5200; i++) hash = sha512(hash, safetyNumber.text)
  t.equal(hash.toString('hex'), safetyNumber.lastHash)
  const groups = Array.from({ length: 12 }, (_, at) => `0000${hash.readUIntBE(5 * at, 5)}`.slice(-5))
  t.equal(groups.join(' '), safetyNumber.number)
})

t.test('The attachment is a prefix and one chunk, and its reference describes it', async (t) => {
  const { file, key, prefix, nonce, ciphertext, reference } = attachment
  t.equal(`${prefix}0000000001`, nonce, 'chunk 0, the last one')
  const bytes = Buffer.concat([fromHex(prefix), encrypt(key, nonce, file, '')])
  t.equal(bytes.toString('base64'), ciphertext)
  t.strictSame(reference, {
    key: fromHex(key).toString('base64'),
    commitment: hkdf(fromHex(key), Buffer.alloc(0), 'secure-chat/v1 attachment commitment'),
    size: Buffer.byteLength(file),
    sha256: createHash('sha256').update(bytes).digest('hex')
  })
})

t.test('The recovery code is 128 bits and 22 bits of their hash, in base32', async (t) => {
  const { secret, check, recoveryCode } = keyBackup
  const hash = createHash('sha256')
    .update('secure-chat/v1 recovery-code\n')
    .update(fromHex(secret))
    .digest('hex')
  const bits = (hex: string) =>
    BigInt(`0x${hex}`)
      .toString(2)
      .padStart(hex.length * 4, '0')
  t.equal(parseInt(bits(hash).slice(0, 22), 2).toString(16), check)
  const symbols = (bits(secret) + bits(hash).slice(0, 22))
    .match(/.{5}/g)!
    .map((five) => '0123456789ABCDEFGHJKMNPQRSTVWXYZ'[parseInt(five, 2)])
  t.equal(symbols.join('').match(/.{5}/g)!.join('-'), recoveryCode)
})

t.test('The key backup is encrypted with its recovery code, and its header is authenticated', async (t) => {
  const { secret, key, header, content, ciphertext } = keyBackup
  const [, salt, iv, commitment] = /^salt (.*)\niv (.*)\ncommitment (.*)\n$/m.exec(header)!
  t.equal(hkdf(fromHex(secret), fromHex(salt!), 'secure-chat/v1 key-backup'), key)
  t.equal(hkdf(fromHex(secret), fromHex(salt!), 'secure-chat/v1 key-backup commitment'), commitment)
  t.equal(
    header,
    `secure-chat/v1 key-backup\nkind recovery-code\nsalt ${salt}\niv ${iv}\ncommitment ${commitment}\n`
  )
  t.equal(encrypt(key, iv!, content, header).toString('base64'), ciphertext)
})
