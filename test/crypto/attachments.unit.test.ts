import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import { ReadableStream } from 'node:stream/web'
import t from 'tap'
import { encryptedSize } from '../../src/crypto/attachment-layout.js'
import type { AttachmentReference } from '../../src/crypto/attachment-reference.js'
import { decryptAttachment, decryptAttachmentRange, encryptAttachment } from '../../src/crypto/attachments.js'
import type { ByteSource } from '../../src/crypto/byte-reader.js'
import { concat, decodeBase64, decodeHex, encodeBase64 } from '../../src/crypto/encoding.js'
import { refusal } from '../support/refusal.js'
import { vectors } from '../support/vectors.js'
import { edited, fileBytes, type Edit } from '../vectors/make/ciphertext-edits.js'

const { key, prefix, files, ranges, refused } = vectors<{
  key: string
  prefix: string
  files: { size: number; reference: AttachmentReference; stored?: string }[]
  ranges: { size: number; start: number; end: number; encrypted: object; sha256: string }[]
  refused: {
    title: string
    attack: string
    size: number
    edit?: Edit
    stored?: string
    reference: AttachmentReference
    refused: string
  }[]
}>('attachments')

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

async function* pieces(bytes: Uint8Array, size = 10_007): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

async function collect(source: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const all: Uint8Array[] = []
  for await (const piece of source) all.push(piece)
  return concat(...all)
}

/** Encrypts with the key and the prefix of the vectors. */
async function encrypted(size: number, file: ByteSource = pieces(fileBytes(size))) {
  const attachment = encryptAttachment(file, (length) => decodeHex(length === 32 ? key : prefix))
  const ciphertext = await collect(attachment.ciphertext)
  return { ciphertext, reference: attachment.reference() }
}

t.test(
  'A file of any size encrypts to the bytes that the protocol defines, and decrypts again',
  async (t) => {
    for (const { size, reference, stored } of files) {
      const made = await encrypted(size)
      t.strictSame(made.reference, reference, `${size} bytes`)
      t.equal(made.ciphertext.length, encryptedSize(size))
      t.equal(sha256(made.ciphertext), reference.sha256)
      if (stored !== undefined) t.equal(encodeBase64(made.ciphertext), stored)
      const file = await collect(decryptAttachment(reference, pieces(made.ciphertext)))
      t.ok(Buffer.from(fileBytes(size)).equals(file))
    }
  }
)

t.test('A part of an attachment decrypts without the rest, from its own chunks', async (t) => {
  for (const { size, start, end, encrypted: span, sha256: hash } of ranges) {
    const { ciphertext, reference } = await encrypted(size)
    const requested: object[] = []
    const part = decryptAttachmentRange(reference, { start, end }, (range) => {
      requested.push(range)
      return pieces(ciphertext.slice(range.start, range.end))
    })
    t.equal(sha256(await collect(part)), hash, `${start}–${end}`)
    t.strictSame(requested, [{ start: 0, end: 39 }, span])
    t.equal(sha256(fileBytes(size).subarray(start, end)), hash)
  }
})

t.test('A range outside the file, or with altered chunks, is refused', async (t) => {
  const size = 140_000
  const { ciphertext, reference } = await encrypted(size)
  const part = (start: number, end: number, bytes = ciphertext) =>
    refusal(
      collect(
        decryptAttachmentRange(reference, { start, end }, (range) =>
          pieces(bytes.subarray(range.start, range.end))
        )
      )
    )
  for (const [start, end] of [
    [-1, 1],
    [0, size + 1],
    [5, 5],
    [6, 5],
    [0.5, 2],
    [0, NaN]
  ] as const)
    t.equal(await part(start, end), 'bad-range', `${start}–${end}`)
  const altered = ciphertext.slice()
  altered[39 + 65_552 + 3]! ^= 1
  t.equal(await part(0, 100, altered), 'accepted', 'an altered chunk outside the range does not matter')
  t.equal(await part(65_536, 65_537, altered), 'bad-attachment')
  t.equal(await part(0, 100, ciphertext.subarray(0, 1000)), 'bad-attachment')
})

t.test('An attachment that was cut, reordered, extended, altered or swapped is refused', async (t) => {
  for (const one of refused) {
    const bytes =
      one.stored === undefined
        ? edited((await encrypted(one.size)).ciphertext, one.edit!)
        : decodeBase64(one.stored)
    const code = await refusal(collect(decryptAttachment(one.reference, pieces(bytes))))
    t.equal(code, one.refused, `${one.attack}: ${one.title}`)
  }
  for (const attack of [
    'truncated-attachment',
    'reordered-attachment',
    'extended-attachment',
    'hidden-bytes',
    'swapped-key'
  ])
    t.ok(
      refused.some((one) => one.attack === attack),
      attack
    )
})

t.test('A part is refused under another key, and if the padding beside it is not zeros', async (t) => {
  const size = 1000
  const { ciphertext, reference } = await encrypted(size)
  const part = (changed: object) =>
    refusal(
      collect(
        decryptAttachmentRange({ ...reference, ...changed }, { start: 0, end: 10 }, ({ start, end }) =>
          pieces(ciphertext.subarray(start, end))
        )
      )
    )
  t.equal(await part({}), 'accepted')
  t.equal(await part({ key: encodeBase64(new Uint8Array(32)) }), 'wrong-commitment')
  t.equal(await part({ size: 990 }), 'bad-attachment', 'the file is longer than the message says')
})

t.test('The stored size tells no more than the padded size', async (t) => {
  for (const [size, padded] of [
    [0, 256],
    [256, 256],
    [257, 272],
    [65_537, 67_584],
    [2 ** 22 + 1, 2 ** 22 + 2 ** 17]
  ] as const) {
    const { ciphertext, reference } = await encrypted(size)
    t.equal(ciphertext.length, 39 + padded + Math.ceil(padded / 65_536) * 16, `${size}`)
    t.strictSame(Object.keys(reference).sort(), ['key', 'sha256', 'size'])
  }
})

t.test('No byte of a chunk is returned before the chunk is verified', async (t) => {
  const { ciphertext, reference } = await encrypted(200_000)
  ciphertext[39 + 2 * 65_552]! ^= 1
  let out = 0
  const reading = async () => {
    for await (const piece of decryptAttachment(reference, pieces(ciphertext))) out += piece.length
  }
  t.equal(await refusal(reading()), 'bad-attachment')
  t.equal(out, 2 * 65_536, 'two chunks are valid')
})

t.test('A file may come from any kind of stream, in pieces of any size', async (t) => {
  const file = fileBytes(100_000)
  const web = () =>
    new ReadableStream<Uint8Array>({
      start(controller) {
        controller.enqueue(file.subarray(0, 1))
        controller.enqueue(new Uint8Array())
        controller.enqueue(file.subarray(1))
        controller.close()
      }
    })
  const sources: Record<string, ByteSource> = {
    'a ReadableStream': web(),
    'a ReadableStream that cannot be iterated': { getReader: () => web().getReader() },
    'a Node.js stream': Readable.from(pieces(file, 333)),
    'single bytes': pieces(file, 1),
    'one piece': pieces(file, file.length)
  }
  const { reference } = await encrypted(file.length)
  for (const [name, source] of Object.entries(sources))
    t.strictSame((await encrypted(file.length, source)).reference, reference, name)
  await t.rejects(encrypted(1, Readable.from(['text'])), TypeError, 'text is refused')
})

t.test('Each attachment has its own key, and a reference once it has been read', async (t) => {
  const one = encryptAttachment(pieces(fileBytes(9)))
  const two = encryptAttachment(pieces(fileBytes(9)))
  t.throws(() => one.reference(), /not been read/)
  t.notSame(await collect(one.ciphertext), await collect(two.ciphertext))
  t.not(one.reference().key, two.reference().key)
})

t.test('A reader that stops closes the source, and an error of the source reaches the reader', async (t) => {
  let ended = false
  const source = async function* () {
    try {
      for (;;) yield new Uint8Array(50_000)
    } finally {
      ended = true
    }
  }
  for await (const piece of encryptAttachment(source()).ciphertext) if (piece.length > 1000) break
  t.ok(ended)
  const cancelled: string[] = []
  const web = {
    getReader: () => ({
      read: () => new Promise<never>(() => undefined),
      cancel: async () => void cancelled.push('web')
    })
  }
  for await (const header of encryptAttachment(web).ciphertext) if (header.length > 0) break
  t.strictSame(cancelled, ['web'], 'also before the first byte of the file')
  const failing = async function* () {
    yield new Uint8Array(1)
    throw new Error('the disk is gone')
  }
  await t.rejects(collect(encryptAttachment(failing()).ciphertext), /the disk is gone/)
})
