import { createCipheriv, createHash, hkdfSync } from 'node:crypto'
import { decryptAttachmentRange, encryptAttachment } from '../../../src/crypto/attachments.js'
import type { AttachmentReference } from '../../../src/crypto/attachment-reference.js'
import { concat, encodeBase64, encodeHex } from '../../../src/crypto/encoding.js'
import { counting } from './actors.js'
import { edited, fileBytes, type Edit } from './ciphertext-edits.js'

const CHUNK = 65_536
const SEALED = CHUNK + 16
/** Prefix and commitment. */
const HEADER = 39

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}

async function collect(pieces: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const all: Uint8Array[] = []
  for await (const piece of pieces) all.push(piece)
  return concat(...all)
}

async function sealed(
  size: number,
  first = 0xc0
): Promise<{ reference: AttachmentReference; ciphertext: Uint8Array }> {
  const attachment = encryptAttachment(once(fileBytes(size)), counting(first))
  const ciphertext = await collect(attachment.ciphertext)
  return { reference: attachment.reference(), ciphertext }
}

/** After the largest there are two chunks of zeros only. */
const sizes = [0, 1, 256, 257, 1000, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK, 2 ** 22 + 1]

export async function attachmentVectors() {
  return {
    about: [
      'Byte i of every file is i modulo 251. Encrypted are files of these sizes under this key and prefix; stored has the',
      'bytes of small ones. A case of refused takes the stored bytes of that size, edits them (bytes count from 0, chunks',
      'too; a chunk is 65,552 bytes after the 39 of the header, the last one less) or takes its own stored, and must be',
      'refused with that code, though reference names the sha256 of the edited bytes unless the title says otherwise: the',
      'chunks alone must show it. Ranges open alone.'
    ],
    key: encodeHex(counting(0xc0)(32)),
    prefix: encodeHex(counting(0xc0)(7)),
    files: await Promise.all(
      sizes.map(async (size) => {
        const { reference, ciphertext } = await sealed(size)
        return { size, reference, ...(size <= 1000 && { stored: encodeBase64(ciphertext) }) }
      })
    ),
    ranges: await ranges(),
    refused: await refused()
  }
}

async function ranges() {
  const wanted = [
    [3 * CHUNK, 0, 1],
    [3 * CHUNK, CHUNK - 1, CHUNK + 1],
    [3 * CHUNK, CHUNK, 2 * CHUNK],
    [3 * CHUNK, 3 * CHUNK - 1, 3 * CHUNK],
    [3 * CHUNK, 0, 3 * CHUNK],
    [140_000, 139_999, 140_000]
  ] as const
  return Promise.all(
    wanted.map(async ([size, start, end]) => {
      const { reference, ciphertext } = await sealed(size)
      const read: { start: number; end: number }[] = []
      const pieces = decryptAttachmentRange(reference, { start, end }, (range) => {
        read.push(range)
        return once(ciphertext.subarray(range.start, range.end))
      })
      const sha256 = createHash('sha256')
        .update(await collect(pieces))
        .digest('hex')
      return { size, start, end, encrypted: read[1]!, sha256 }
    })
  )
}

type Refused = [title: string, attack: string, size: number, edit: Edit, reference?: object, code?: string]

async function refused() {
  const size = 3 * CHUNK
  const end = HEADER + 3 * SEALED
  const other = await sealed(1000, 1)
  const cases: Refused[] = [
    ['nothing is there', 'truncated-attachment', size, { edit: 'cut', to: 0 }],
    ['it ends in the prefix', 'truncated-attachment', size, { edit: 'cut', to: 6 }],
    ['it ends in the commitment', 'truncated-attachment', size, { edit: 'cut', to: HEADER - 1 }],
    ['it ends after the commitment', 'truncated-attachment', 0, { edit: 'cut', to: HEADER }],
    ['its last chunk is missing', 'truncated-attachment', size, { edit: 'drop', chunk: 2 }],
    [
      'its last chunk is missing, and the reference says so',
      'truncated-attachment',
      size,
      { edit: 'drop', chunk: 2 },
      { size: 2 * CHUNK }
    ],
    ['its last byte is missing', 'truncated-attachment', size, { edit: 'cut', to: end - 1 }],
    ['its first chunk is missing', 'truncated-attachment', size, { edit: 'drop', chunk: 0 }],
    [
      'its first chunk is missing, and the reference says so',
      'truncated-attachment',
      size,
      { edit: 'drop', chunk: 0 },
      { size: 2 * CHUNK }
    ],
    ['two chunks have changed places', 'reordered-attachment', size, { edit: 'swap', chunks: [0, 1] }],
    ['the last chunk comes first', 'reordered-attachment', size, { edit: 'swap', chunks: [0, 2] }],
    ['a byte was added', 'extended-attachment', size, { edit: 'append', hex: '00' }],
    ['an empty chunk was added', 'extended-attachment', CHUNK, { edit: 'append', hex: '00'.repeat(16) }],
    [
      'a byte was added, and the reference says so',
      'extended-attachment',
      CHUNK,
      { edit: 'append', hex: '00'.repeat(17) },
      { size: CHUNK + 1 }
    ],
    ['a bit of the prefix was flipped', 'altered-attachment', 1000, { edit: 'flip', byte: 0 }],
    [
      'a bit of the commitment was flipped',
      'altered-attachment',
      1000,
      { edit: 'flip', byte: HEADER - 1 },
      {},
      'wrong-commitment'
    ],
    ['a bit of the first chunk was flipped', 'altered-attachment', size, { edit: 'flip', byte: HEADER }],
    ['a bit of the last tag was flipped', 'altered-attachment', size, { edit: 'flip', byte: end - 1 }],
    [
      'the message names another key',
      'swapped-key',
      1000,
      { edit: 'none' },
      { key: other.reference.key },
      'wrong-commitment'
    ],
    [
      'the message names another sha256',
      'swapped-attachment',
      1000,
      { edit: 'none' },
      { sha256: '0'.repeat(64) }
    ],
    ['the file is longer than the message says', 'hidden-bytes', 1000, { edit: 'none' }, { size: 999 }],
    ['the size is negative', 'malformed-reference', 0, { edit: 'none' }, { size: -1 }],
    ['the size is no whole number', 'malformed-reference', 1, { edit: 'none' }, { size: 0.5 }],
    ['the size has more than 2^32 chunks', 'malformed-reference', 1, { edit: 'none' }, { size: 2 ** 48 + 1 }],
    [
      'the key has 31 bytes',
      'malformed-reference',
      1,
      { edit: 'none' },
      { key: encodeBase64(counting(0xc0)(31)) }
    ]
  ]
  return [
    ...(await Promise.all(
      cases.map(async ([title, attack, size, edit, change, code = 'bad-attachment']) => {
        const { reference, ciphertext } = await sealed(size)
        const sha256 = hashOf(edited(ciphertext, edit))
        return { title, attack, size, edit, reference: { ...reference, sha256, ...change }, refused: code }
      })
    )),
    ...badPadding()
  ]
}

/** Files of 1000 bytes whose sender has sealed something else than the protocol says after them. */
function badPadding() {
  const file = fileBytes(1000)
  const after = (length: number, fill: (padding: Uint8Array) => void = () => undefined) => {
    const padding = new Uint8Array(length)
    fill(padding)
    return concat(file, padding)
  }
  const cases: [title: string, plaintext: Uint8Array, key?: Uint8Array][] = [
    ['it is not padded', file],
    ['it is padded with spaces', after(24, (padding) => padding.fill(0x20))],
    ['the first byte of its padding is not zero', after(24, (padding) => (padding[0] = 1))],
    ['the last byte of its padding is not zero', after(24, (padding) => (padding[23] = 1))],
    ['it is padded too far', after(56)],
    ['it is sealed under another key than it commits to', after(24), counting(1)(32)]
  ]
  return cases.map(([title, plaintext, key = counting(0xc0)(32)]) => {
    const stored = sealedAlike(plaintext, key)
    const reference = { key: encodeBase64(counting(0xc0)(32)), size: 1000, sha256: hashOf(stored) }
    return {
      title,
      attack: 'malformed-attachment',
      size: 1000,
      stored: encodeBase64(stored),
      reference,
      refused: 'bad-attachment'
    }
  })
}

/** Stored bytes of one chunk with any plaintext, not made by the code that is tested. */
function sealedAlike(plaintext: Uint8Array, key: Uint8Array): Uint8Array {
  const prefix = counting(0xc0)(7)
  const info = 'secure-chat/v1 attachment commitment'
  const commitment = new Uint8Array(hkdfSync('sha256', counting(0xc0)(32), '', info, 32))
  const cipher = createCipheriv('aes-256-gcm', key, concat(prefix, Uint8Array.of(0, 0, 0, 0, 1)))
  return concat(prefix, commitment, cipher.update(plaintext), cipher.final(), cipher.getAuthTag())
}

const hashOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')
