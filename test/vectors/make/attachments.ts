import { createHash } from 'node:crypto'
import { decryptAttachmentRange, encryptAttachment } from '../../../src/crypto/attachments.js'
import type { AttachmentReference } from '../../../src/crypto/attachment-reference.js'
import { concat, encodeBase64, encodeHex } from '../../../src/crypto/encoding.js'
import { counting } from './actors.js'
import { edited, fileBytes, type Edit } from './ciphertext-edits.js'

const CHUNK = 65_536
const SEALED = CHUNK + 16

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

const sizes = [0, 1, 1000, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK]

export async function attachmentVectors() {
  return {
    about: [
      'Byte i of every file is i modulo 251. Encrypted are files of these sizes under this key and prefix. A case of',
      'refused takes the ciphertext of that size, edits it (bytes count from 0, chunks too; a chunk is 65,552 bytes',
      'after the prefix, the last one less) and must be refused with that code, though reference names the sha256 of',
      'the edited bytes unless the title says otherwise: the chunks alone must show it. Ranges open alone.'
    ],
    key: encodeHex(counting(0xc0)(32)),
    prefix: encodeHex(counting(0xc0)(7)),
    files: await Promise.all(
      sizes.map(async (size) => {
        const { reference, ciphertext } = await sealed(size)
        return { size, reference, ...(size <= 1000 && { ciphertext: encodeBase64(ciphertext) }) }
      })
    ),
    ranges: await ranges(),
    refused: await refused()
  }
}

async function ranges() {
  const size = 3 * CHUNK
  const { reference, ciphertext } = await sealed(size)
  const wanted = [
    [0, 1],
    [CHUNK - 1, CHUNK + 1],
    [CHUNK, 2 * CHUNK],
    [size - 1, size],
    [0, size]
  ] as const
  return Promise.all(
    wanted.map(async ([start, end]) => {
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

async function refused() {
  const cases: [
    title: string,
    attack: string,
    size: number,
    edit: Edit,
    reference?: object,
    code?: string
  ][] = [
    ['nothing is there', 'truncated-attachment', 3 * CHUNK, { edit: 'cut', to: 0 }],
    ['it ends in the prefix', 'truncated-attachment', 3 * CHUNK, { edit: 'cut', to: 6 }],
    ['it ends after the prefix', 'truncated-attachment', 0, { edit: 'cut', to: 7 }],
    ['its last chunk is missing', 'truncated-attachment', 3 * CHUNK, { edit: 'drop', chunk: 2 }],
    [
      'its last chunk is missing, and the reference says so',
      'truncated-attachment',
      3 * CHUNK,
      { edit: 'drop', chunk: 2 },
      { size: 2 * CHUNK }
    ],
    ['its last byte is missing', 'truncated-attachment', 3 * CHUNK, { edit: 'cut', to: 7 + 3 * SEALED - 1 }],
    ['its first chunk is missing', 'truncated-attachment', 3 * CHUNK, { edit: 'drop', chunk: 0 }],
    [
      'its first chunk is missing, and the reference says so',
      'truncated-attachment',
      3 * CHUNK,
      { edit: 'drop', chunk: 0 },
      { size: 2 * CHUNK }
    ],
    ['two chunks have changed places', 'reordered-attachment', 3 * CHUNK, { edit: 'swap', chunks: [0, 1] }],
    ['the last chunk comes first', 'reordered-attachment', 3 * CHUNK, { edit: 'swap', chunks: [0, 2] }],
    ['a byte was added', 'extended-attachment', 3 * CHUNK, { edit: 'append', hex: '00' }],
    ['an empty chunk was added', 'extended-attachment', CHUNK, { edit: 'append', hex: '00'.repeat(16) }],
    [
      'a byte was added, and the reference says so',
      'extended-attachment',
      CHUNK,
      { edit: 'append', hex: '00'.repeat(17) },
      { size: CHUNK + 1 }
    ],
    ['a bit of the prefix was flipped', 'altered-attachment', 1000, { edit: 'flip', byte: 0 }],
    ['a bit of the first chunk was flipped', 'altered-attachment', 3 * CHUNK, { edit: 'flip', byte: 7 }],
    [
      'a bit of the last tag was flipped',
      'altered-attachment',
      3 * CHUNK,
      { edit: 'flip', byte: 7 + 3 * SEALED - 1 }
    ],
    ['another key with its own commitment', 'swapped-key', 1000, { edit: 'cut', to: 1023 }, await otherKey()],
    [
      'another key',
      'swapped-key',
      1000,
      { edit: 'cut', to: 1023 },
      { key: (await otherKey()).key },
      'wrong-commitment'
    ],
    [
      'the message names another sha256',
      'swapped-attachment',
      1000,
      { edit: 'cut', to: 1023 },
      { sha256: '0'.repeat(64) }
    ],
    ['the size is negative', 'malformed-reference', 0, { edit: 'cut', to: 23 }, { size: -1 }],
    ['the size is no whole number', 'malformed-reference', 1, { edit: 'cut', to: 24 }, { size: 0.5 }],
    [
      'the size has more than 2^32 chunks',
      'malformed-reference',
      1,
      { edit: 'cut', to: 24 },
      { size: 2 ** 48 + 1 }
    ],
    [
      'the key has 31 bytes',
      'malformed-reference',
      1,
      { edit: 'cut', to: 24 },
      { key: encodeBase64(counting(0xc0)(31)) }
    ]
  ]
  return Promise.all(
    cases.map(async ([title, attack, size, edit, change, code = 'bad-attachment']) => {
      const { reference, ciphertext } = await sealed(size)
      const sha256 = createHash('sha256').update(edited(ciphertext, edit)).digest('hex')
      return { title, attack, size, edit, reference: { ...reference, sha256, ...change }, refused: code }
    })
  )
}

async function otherKey() {
  const { key, commitment } = (await sealed(0, 1)).reference
  return { key, commitment }
}
