import { openBackup, sealBackup } from '../../../src/crypto/backup.js'
import { decodeUtf8, encodeBase64, encodeHex, encodeUtf8 } from '../../../src/crypto/encoding.js'
import { formatRecoveryCode } from '../../../src/crypto/recovery-code.js'
import { counting } from './actors.js'

const random = counting(0xe0)
const secret = counting(0xd0)(16)
const recoveryCode = await formatRecoveryCode(secret)
const passphrase = 'Grüße vom Küchentisch 7'
const content = '{"what":"a user wants back"}'
const device = '0190b5a0-0000-7000-8000-00000000d0d0'
const backup = { device, content: encodeUtf8(content) }

export async function backupVectors() {
  const blobs = {
    'recovery-code': await sealBackup(backup, { recoveryCode }, { random }),
    passphrase: await sealBackup(backup, { passphrase }, { random })
  }
  const good = { content, blob: encodeBase64(blobs['recovery-code']), recoveryCode }
  if (decodeUtf8(await openBackup(blobs.passphrase, { passphrase })) !== content)
    throw new Error('the backup does not open')
  return {
    about: [
      'Recovery codes: what stands for which 16 bytes, how else it may be typed, and what is none. Backups: blob is',
      'what the server keeps. content: what must come out. refused: the code with which it must be refused.'
    ],
    recoveryCodes: await Promise.all(
      [secret, new Uint8Array(16), new Uint8Array(16).fill(255)].map(async (bytes) => {
        const code = await formatRecoveryCode(bytes)
        return { secret: encodeHex(bytes), code, alsoTyped: spellings(code) }
      })
    ),
    badRecoveryCodes: typos(recoveryCode),
    backups: [
      { title: 'under a recovery code', ...good },
      {
        title: 'under a recovery code, typed in another way',
        ...good,
        recoveryCode: recoveryCode.toLowerCase()
      },
      {
        title: 'under a passphrase, typed with combining marks and a full-width digit',
        content,
        blob: encodeBase64(blobs.passphrase),
        passphrase: passphrase.normalize('NFD').replace('7', '\uff17')
      },
      ...(await refused(blobs))
    ]
  }
}

const spellings = (code: string): string[] => [
  code.toLowerCase(),
  code.replaceAll('-', ''),
  ` ${code.replaceAll('-', ' ')}\n`,
  code.replaceAll('0', 'O').replaceAll('1', 'I'),
  code.toLowerCase().replaceAll('0', 'o').replaceAll('1', 'l'),
  code.replaceAll('-', '–')
]

function typos(code: string): { title: string; code: string }[] {
  const other = code[3] === '7' ? '8' : '7'
  const last = code.at(-1) === '7' ? '8' : '7'
  return [
    { title: 'a wrong symbol', code: code.slice(0, 3) + other + code.slice(4) },
    { title: 'a wrong last symbol', code: code.slice(0, -1) + last },
    { title: 'two symbols changed places', code: code.slice(0, 2) + code[3]! + code[2]! + code.slice(4) },
    { title: 'two groups changed places', code: [...code.split('-').slice(1), code.slice(0, 5)].join('-') },
    { title: 'a symbol is missing', code: code.slice(0, -1) },
    { title: 'a symbol too many', code: `${code}0` },
    { title: 'a symbol that none has', code: `U${code.slice(1)}` },
    { title: 'nothing', code: '' }
  ]
}

/** Costs of Argon2id that are refused before any work, and lines that no header has. */
const outOfBounds: [title: string, pattern: RegExp, replacement: string][] = [
  ['less than 64 MiB of memory', /memory 65536/, 'memory 65535'],
  ['more than 1 GiB of memory', /memory 65536/, 'memory 1048577'],
  ['too few passes', /passes 3/, 'passes 2'],
  ['too many passes', /passes 3/, 'passes 11'],
  ['no lane', /lanes 1/, 'lanes 0'],
  ['too many lanes', /lanes 1/, 'lanes 5'],
  ['absurdly much memory', /memory 65536/, 'memory 4294967295'],
  ['memory with a leading zero', /memory /, 'memory 0'],
  ['memory with a sign', /memory /, 'memory +'],
  ['memory with a fraction', /memory 65536/, 'memory 65536.0'],
  ['no lanes line', /lanes 1\n/, ''],
  ['its lines in another order', /(memory .*\n)(passes .*\n)/, '$2$1']
]

async function refused(blobs: Record<'recovery-code' | 'passphrase', Uint8Array>) {
  const other = await formatRecoveryCode(counting(0x33)(16))
  const change = (pattern: RegExp, replacement: string, blob = blobs['recovery-code']) =>
    Buffer.from(Buffer.from(blob).toString('latin1').replace(pattern, replacement), 'latin1')
  const flip = (at: number, blob = blobs['recovery-code']) =>
    blob.map((byte, i) => (i === (at + blob.length) % blob.length ? byte ^ 1 : byte))
  const withCode: [title: string, blob: Uint8Array, refused: string, code?: string][] = [
    ['the code of another backup', blobs['recovery-code'], 'wrong-secret', other],
    ['a code with a typo', blobs['recovery-code'], 'bad-recovery-code', typos(recoveryCode)[0]!.code],
    ['a code for a backup under a passphrase', blobs.passphrase, 'bad-backup'],
    ['another salt', change(/salt e0/, 'salt e1'), 'wrong-secret'],
    ['another commitment', change(/commitment (.)/, 'commitment 0'), 'wrong-secret'],
    ['another IV', change(/iv e0/, 'iv e1'), 'bad-backup'],
    ['a flipped bit of the ciphertext', flip(-17), 'bad-backup'],
    ['a flipped bit of the tag', flip(-1), 'bad-backup'],
    ['a missing byte', blobs['recovery-code'].slice(0, -1), 'bad-backup'],
    ['a byte too many', Buffer.concat([blobs['recovery-code'], Buffer.alloc(1)]), 'bad-backup'],
    ['nothing after the header', blobs['recovery-code'].slice(0, -16 - content.length), 'bad-backup'],
    ['another device', change(/device 0/, 'device 1'), 'bad-backup'],
    ['no device', change(/device .*\n/, ''), 'bad-backup'],
    ['half of the header', blobs['recovery-code'].slice(0, 60), 'bad-backup'],
    ['nothing', new Uint8Array(), 'bad-backup'],
    ['a later version', change(/^secure-chat\/v1/, 'secure-chat/v2'), 'bad-backup'],
    ['a line more in the header', change(/iv /, 'x y\niv '), 'bad-backup']
  ]
  const withPassphrase: [title: string, blob: Uint8Array, refused: string, passphrase?: string][] = [
    ['another passphrase', blobs.passphrase, 'wrong-secret', 'Grüße vom Küchentisch 8'],
    ['a passphrase for a backup under a code', blobs['recovery-code'], 'bad-backup'],
    ['more memory', change(/memory 65536/, 'memory 65540', blobs.passphrase), 'wrong-secret'],
    ...outOfBounds.map(([title, pattern, replacement]): [string, Uint8Array, string] => {
      return [title, change(pattern, replacement, blobs.passphrase), 'bad-backup']
    })
  ]
  const attack = 'tampered-backup'
  return [
    ...withCode.map(([title, blob, code, typed = recoveryCode]) => {
      return { title, attack, blob: encodeBase64(blob), recoveryCode: typed, refused: code }
    }),
    ...withPassphrase.map(([title, blob, code, typed = passphrase]) => {
      return { title, attack, blob: encodeBase64(blob), passphrase: typed, refused: code }
    })
  ]
}
