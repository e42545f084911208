import t from 'tap'
import { DEFAULT_COST } from '../../src/crypto/argon2.js'
import { describeBackup, openBackup, sealBackup, type BackupSecret } from '../../src/crypto/backup.js'
import { decodeBase64, decodeHex, decodeUtf8, encodeHex, encodeUtf8 } from '../../src/crypto/encoding.js'
import {
  formatRecoveryCode,
  generateRecoveryCode,
  parseRecoveryCode
} from '../../src/crypto/recovery-code.js'
import { MAX_KEY_BACKUP_BYTES } from '../../src/protocol/key-backup.js'
import { refusal } from '../support/refusal.js'
import { vectors } from '../support/vectors.js'

const { recoveryCodes, badRecoveryCodes, backups } = vectors<{
  recoveryCodes: { secret: string; code: string; alsoTyped: string[] }[]
  badRecoveryCodes: { title: string; code: string }[]
  backups: ({
    title: string
    blob: string
    content?: string
    attack?: string
    refused?: string
  } & BackupSecret)[]
}>('backups')

const device = '0190b5a0-0000-7000-8000-00000000d0d0'

t.test('A recovery code is read in all its spellings', async (t) => {
  for (const { secret, code, alsoTyped } of recoveryCodes) {
    t.equal(await formatRecoveryCode(decodeHex(secret)), code)
    for (const typed of [code, ...alsoTyped])
      t.equal(encodeHex(await parseRecoveryCode(typed)), secret, typed)
  }
})

t.test('A mistyped recovery code is recognised as such', async (t) => {
  for (const { title, code } of badRecoveryCodes)
    t.equal(await refusal(parseRecoveryCode(code)), 'bad-recovery-code', title)
  const { code } = recoveryCodes[0]!
  for (let at = 0; at < code.length; at++)
    for (const symbol of '0123456789ABCDEFGHJKMNPQRSTVWXYZ') {
      if (code[at] === '-' || code[at] === symbol) continue
      const typed = code.slice(0, at) + symbol + code.slice(at + 1)
      if ((await refusal(parseRecoveryCode(typed))) !== 'bad-recovery-code') t.fail(`${typed} was accepted`)
    }
  t.equal(await refusal(formatRecoveryCode(new Uint8Array(15))), 'bad-recovery-code')
})

t.test('A new recovery code has six groups of five symbols and is unique', async (t) => {
  const codes = await Promise.all(Array.from({ length: 100 }, () => generateRecoveryCode()))
  t.equal(new Set(codes).size, codes.length)
  for (const code of codes) t.match(code, /^([0-9A-HJKMNP-TV-Z]{5}-){5}[0-9A-HJKMNP-TV-Z]{5}$/)
})

t.test('A key backup opens only with its own code or passphrase, and only if it is unaltered', async (t) => {
  for (const { title, blob, content, refused, ...secret } of backups) {
    const opening = openBackup(decodeBase64(blob), secret)
    if (refused === undefined) t.equal(decodeUtf8(await opening), content, title)
    else t.equal(await refusal(opening), refused, title)
  }
})

t.test(
  'A sealed backup opens again, is never the same twice, and names its device and the kind of its secret',
  async (t) => {
    const content = crypto.getRandomValues(new Uint8Array(5000))
    const recoveryCode = await generateRecoveryCode()
    const passphrase = 'correct horse battery'
    const one = await sealBackup({ device, content }, { recoveryCode })
    const two = await sealBackup({ device, content }, { recoveryCode })
    t.not(encodeHex(one.subarray(-5000)), encodeHex(two.subarray(-5000)))
    t.strictSame(await openBackup(one, { recoveryCode }), content)
    t.match(describeBackup(one), { device, kind: 'recovery-code' })
    const cost = { memory: 65_540, passes: 3, lanes: 2 }
    const three = await sealBackup({ device, content }, { passphrase }, { cost })
    t.match(describeBackup(three), { device, kind: 'passphrase' })
    t.match(decodeUtf8(three.subarray(0, 150)), /^memory 65540\npasses 3\nlanes 2$/m)
    t.strictSame(await openBackup(three, { passphrase }), content)
  }
)

t.test('The length of a passphrase, the cost of Argon2id and the size of a backup have limits', async (t) => {
  const content = encodeUtf8('x')
  const seal = (passphrase: string, cost = DEFAULT_COST) =>
    refusal(sealBackup({ device, content }, { passphrase }, { cost }))
  t.equal(await seal('elevenchars'), 'bad-passphrase')
  t.equal(await seal('ü'.normalize('NFD').repeat(11)), 'bad-passphrase', 'combining marks do not count')
  t.equal(await seal('correct horse battery', { ...DEFAULT_COST, memory: 65_535 }), 'bad-cost')
  const secret = { recoveryCode: await generateRecoveryCode() }
  t.equal(
    await refusal(sealBackup({ device, content: new Uint8Array(MAX_KEY_BACKUP_BYTES) }, secret)),
    'too-large'
  )
  t.equal(await refusal(openBackup(new Uint8Array(MAX_KEY_BACKUP_BYTES + 1), secret)), 'bad-backup')
})

t.test('A header out of bounds is refused before any work', async (t) => {
  const outOfBounds = backups.filter(({ title }) => /memory|passes|lane/.test(title))
  const start = performance.now()
  let count = 0
  for (const { refused, blob, title, ...secret } of outOfBounds)
    if (refused === 'bad-backup') {
      count++
      t.equal(await refusal(openBackup(decodeBase64(blob), secret)), 'bad-backup', title)
    }
  t.ok(count > 8)
  t.ok(performance.now() - start < 400, 'one stretching takes longer')
})
