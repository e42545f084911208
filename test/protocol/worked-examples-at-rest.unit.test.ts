import { createCipheriv, createHash, hkdfSync } from 'node:crypto'
import { argon2id } from '@noble/hashes/argon2.js'
import t from 'tap'
import { vectors } from '../support/vectors.js'

const { keys, deviceAdd, safetyNumber, linkNumber, attachment, keyBackup, passphraseBackup } = vectors<{
  keys: Record<'alice' | 'bob', { signingFingerprint: string }>
  deviceAdd: { alice: { hash: string } }
  safetyNumber: Record<'text' | 'firstHash' | 'lastHash' | 'number', string>
  linkNumber: { text: string; number: string }
  attachment: Record<'file' | 'key' | 'prefix' | 'commitment' | 'nonce' | 'stored', string> & {
    paddedLength: number
    reference: { key: string; size: number; sha256: string }
  }
  keyBackup: Record<'secret' | 'check' | 'recoveryCode' | 'key' | 'header' | 'content' | 'ciphertext', string>
  passphraseBackup: Record<'passphrase' | 'inputKey' | 'key' | 'header' | 'content' | 'ciphertext', string>
}>('examples')

const fromHex = (text: string): Buffer => Buffer.from(text, 'hex')
const hkdf = (key: Buffer, salt: Buffer, info: string): string =>
  Buffer.from(hkdfSync('sha256', key, salt, info, 32)).toString('hex')

function encrypt(key: string, iv: string, plaintext: string | Buffer, additionalData: string): Buffer {
  const cipher = createCipheriv('aes-256-gcm', fromHex(key), fromHex(iv)).setAAD(Buffer.from(additionalData))
  return Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()])
}

const sha512 = (...parts: (string | Buffer)[]) =>
  parts.reduce((hash, part) => hash.update(part), createHash('sha512')).digest()

/** The first and the last hash of a text, and the number that people compare. */
function compared(text: string): { first: string; last: string; number: string } {
  const first = sha512(text)
  let hash = first
  for (let i = 2; i <= 5200; i++) hash = sha512(hash, text)
  const groups = Array.from({ length: 12 }, (_, at) => `0000${hash.readUIntBE(5 * at, 5)}`.slice(-5))
  return { first: first.toString('hex'), last: hash.toString('hex'), number: groups.join(' ') }
}

t.test('The safety number follows from the two roots', async (t) => {
  const roots = [keys.alice.signingFingerprint, keys.bob.signingFingerprint].sort()
  const { text, firstHash, lastHash, number } = safetyNumber
  t.equal(text, `secure-chat/v1 safety-number\n${roots.map((root) => `root ${root}\n`).join('')}`)
  t.strictSame(compared(text), { first: firstHash, last: lastHash, number })
})

t.test('The link number is made in the same way, of what both screens must see alike', async (t) => {
  const fingerprint = '[0-9a-f]{64}'
  t.match(
    linkNumber.text,
    new RegExp(
      `^secure-chat/v1 link\nuser alice\nroot ${keys.alice.signingFingerprint}\n` +
        `head ${deviceAdd.alice.hash}\ndevice [0-9a-f-]{36}\nsigning-key ${fingerprint}\n` +
        `encryption-key ${fingerprint}\nkem-key ${fingerprint}\n$`
    )
  )
  t.equal(compared(linkNumber.text).number, linkNumber.number)
})

t.test('The attachment is a prefix, a commitment and one padded chunk', async (t) => {
  const { file, paddedLength, key, prefix, commitment, nonce, stored, reference } = attachment
  t.equal(`${prefix}0000000001`, nonce, 'chunk 0, the last one')
  t.equal(hkdf(fromHex(key), Buffer.alloc(0), 'secure-chat/v1 attachment commitment'), commitment)
  const size = Buffer.byteLength(file)
  const padded = Buffer.concat([Buffer.from(file), Buffer.alloc(paddedLength - size)])
  const bytes = Buffer.concat([fromHex(prefix), fromHex(commitment), encrypt(key, nonce, padded, '')])
  t.equal(bytes.toString('base64'), stored)
  t.strictSame(reference, {
    key: fromHex(key).toString('base64'),
    size,
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

const HEADER = /^device (.*)\n[^]*^salt (.*)\niv (.*)\ncommitment (.*)\n$/m

t.test('The key backup is encrypted with its recovery code, and its header is authenticated', async (t) => {
  const { secret, key, header, content, ciphertext } = keyBackup
  const [, device, salt, iv, commitment] = HEADER.exec(header)!
  t.equal(hkdf(fromHex(secret), fromHex(salt!), 'secure-chat/v1 key-backup'), key)
  t.equal(hkdf(fromHex(secret), fromHex(salt!), 'secure-chat/v1 key-backup commitment'), commitment)
  t.equal(
    header,
    `secure-chat/v1 key-backup\ndevice ${device}\nkind recovery-code\nsalt ${salt}\niv ${iv}\ncommitment ${commitment}\n`
  )
  t.equal(encrypt(key, iv!, content, header).toString('base64'), ciphertext)
})

// printf 'Correct horse battery 1' | argon2 'ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`' -id -v 13 -t 3 -m 16 -p 1 -l 32 -r
t.test('The key backup under a passphrase is encrypted with what Argon2id makes of it', async (t) => {
  const { passphrase, inputKey, key, header, content, ciphertext } = passphraseBackup
  const [, device, salt, iv, commitment] = HEADER.exec(header)!
  t.equal(
    header,
    `secure-chat/v1 key-backup\ndevice ${device}\nkind passphrase\nmemory 65536\npasses 3\nlanes 1\n` +
      `salt ${salt}\niv ${iv}\ncommitment ${commitment}\n`
  )
  t.equal(passphrase.normalize('NFKC'), 'Correct horse battery 1')
  const stretched = argon2id('Correct horse battery 1', fromHex(salt!), { m: 65_536, t: 3, p: 1, dkLen: 32 })
  t.equal(Buffer.from(stretched).toString('hex'), inputKey)
  t.equal(hkdf(fromHex(inputKey), fromHex(salt!), 'secure-chat/v1 key-backup'), key)
  t.equal(hkdf(fromHex(inputKey), fromHex(salt!), 'secure-chat/v1 key-backup commitment'), commitment)
  t.equal(encrypt(key, iv!, content, header).toString('base64'), ciphertext)
})
