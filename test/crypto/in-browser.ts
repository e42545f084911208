import type { AttachmentReference } from '../../src/crypto/attachment-reference.js'
import { decryptAttachment, encryptAttachment } from '../../src/crypto/attachments.js'
import { openBackup, type BackupSecret } from '../../src/crypto/backup.js'
import {
  concat,
  decodeBase64,
  decodeHex,
  decodeUtf8,
  encodeBase64,
  encodeHex
} from '../../src/crypto/encoding.js'
import { decapsulate, decodeKemKey, kemKeys } from '../../src/crypto/kem.js'
import {
  generateEncryptionKeys,
  importEncryptionKey,
  importPrivateEncryptionKey,
  importSigningKey,
  verify
} from '../../src/crypto/keys.js'
import { linkNumber, type DeviceLink } from '../../src/crypto/link-number.js'
import { openMessage } from '../../src/crypto/messages.js'
import { encodePem } from '../../src/crypto/pem.js'
import { safetyNumber } from '../../src/crypto/safety-number.js'
import { importSessionKey } from '../../src/crypto/session-keys.js'
import { unwrapSessionKey, wrapSessionKey, type WrappedKeyStatement } from '../../src/crypto/wraps.js'
import type { CryptoKey } from '../../src/crypto/web-crypto.js'
import type { NewMessage } from '../../src/protocol/messages.js'
import { refusal } from '../support/refusal.js'

/** The vectors that the browser is given. This file is bundled into the one script that it runs. */
export interface Vectors {
  wraps: {
    device: string
    privateEncryptionKey: string
    kemSeed: string
    cases: {
      title: string
      hasKemKey: boolean
      statement: WrappedKeyStatement
      wrappedKey: string
      key?: string
      refused?: string
    }[]
  }
  messages: {
    keys: Record<string, string>
    cases: {
      title: string
      conversationId: string
      key: string
      sessionKey: { id: string; key: string }
      by: string
      message: NewMessage
      content?: object
      refused?: string
    }[]
  }
  files: { key: string; prefix: string; files: { size: number; reference: AttachmentReference }[] }
  backups: { backups: ({ title: string; blob: string; content?: string; refused?: string } & BackupSecret)[] }
  safetyNumbers: { cases: { roots: [string, string]; safetyNumber: string }[] }
  linkNumbers: { cases: { title: string; link: DeviceLink; number?: string; refused?: string }[] }
  speccheck: {
    cases: (Record<'title' | 'message' | 'publicKey' | 'signature', string> &
      Record<'valid' | 'keyRefused', boolean>)[]
  }
  kem: { tests: Record<'seed' | 'ek' | 'c' | 'K', string>[] }[]
  signatures: {
    publicKey: { pk: string }
    tests: { tcId: number; comment: string; msg: string; sig: string; result: string }[]
  }[]
}

/** A case whose outcome is not the expected one. */
export interface Difference {
  title: string
  expected: unknown
  found: unknown
}

/** Run every case with the project's own code on this platform. */
export async function differences(vectors: Vectors): Promise<{ cases: number; wrong: Difference[] }> {
  const wrong: Difference[] = []
  let cases = 0
  const expect = (title: string, expected: unknown, found: unknown) => {
    cases++
    if (JSON.stringify(expected) !== JSON.stringify(found)) wrong.push({ title, expected, found })
  }
  const outcome = async (
    title: string,
    refused: string | undefined,
    expected: unknown,
    work: Promise<unknown>
  ) => {
    if (refused === undefined) expect(title, expected, await work)
    else expect(title, refused, await refusal(work))
  }

  const signingKeys = new Map<string, CryptoKey>()
  for (const [fingerprint, pem] of Object.entries(vectors.messages.keys))
    signingKeys.set(fingerprint, await importSigningKey(pem))
  await wraps(vectors.wraps, outcome)
  for (const one of vectors.messages.cases) {
    const { title, conversationId, key, by, message, content, refused } = one
    const sessionKey = await importSessionKey(one.sessionKey.id, decodeHex(one.sessionKey.key))
    const signingKey = signingKeys.get(by)!
    const opened = openMessage({ conversationId, key, sessionKey, by, signingKey, message })
    await outcome(
      title,
      refused,
      content,
      opened.then((one) => one.content)
    )
  }
  for (const { title, blob, content, refused, ...secret } of vectors.backups.backups)
    await outcome(title, refused, content, openBackup(decodeBase64(blob), secret).then(decodeUtf8))
  for (const { roots, safetyNumber: number } of vectors.safetyNumbers.cases)
    expect('safety number', number, await safetyNumber(...roots))
  for (const { title, link, number, refused } of vectors.linkNumbers.cases)
    await outcome(title, refused, number, linkNumber(link))
  for (const { tests } of vectors.kem)
    for (const { seed, ek, c, K } of tests) {
      expect('a KEM key', encodeBase64(decodeHex(ek)), (await kemKeys(decodeHex(seed))).publicKey)
      expect('a KEM secret', K, encodeHex(await decapsulate(decodeHex(seed), decodeHex(c))))
    }
  for (const { size, reference } of vectors.files.files)
    await attachment(vectors.files, size, reference, expect)
  for (const { publicKey, tests } of vectors.signatures)
    for (const { tcId, comment, msg, sig, result } of tests) {
      const isValid = verifies(publicKey.pk, msg, sig)
      expect(`${tcId} ${comment}`, result === 'valid', await isValid)
    }
  for (const { title, publicKey, message, signature, valid, keyRefused } of vectors.speccheck.cases)
    await outcome(title, keyRefused ? 'bad-key' : undefined, valid, verifies(publicKey, message, signature))
  return { cases, wrong }
}

type Outcome = (
  title: string,
  refused: string | undefined,
  expected: unknown,
  work: Promise<unknown>
) => Promise<void>

async function wraps(given: Vectors['wraps'], outcome: Outcome): Promise<void> {
  const { device: signingKey, privateEncryptionKey, kemSeed, cases } = given
  const encryptionKey = await importPrivateEncryptionKey(privateEncryptionKey, { extractable: false })
  const seed = decodeHex(kemSeed)
  for (const { title, hasKemKey, statement, wrappedKey, key, refused } of cases) {
    const keys = { signingKey, encryptionKey, kemSeed: hasKemKey ? seed : undefined }
    const unwrapped = unwrapSessionKey(wrappedKey, keys, statement)
    await outcome(
      title,
      refused,
      key,
      unwrapped.then(({ bytes }) => encodeHex(bytes))
    )
  }
  const { hash, sessionKey, commitment } = cases[0]!.statement
  const encryption = await generateEncryptionKeys({ bits: 2048, extractable: false })
  const recipient = {
    signingKey,
    encryptionKey: await importEncryptionKey(encryption.publicKey),
    kemKey: decodeKemKey((await kemKeys(seed)).publicKey)
  }
  const material = await importSessionKey(sessionKey, decodeHex(cases[0]!.key!))
  const wrapped = await wrapSessionKey(material, recipient, hash)
  const keys = { signingKey, encryptionKey: encryption.privateKey, kemSeed: seed }
  const { bytes } = await unwrapSessionKey(wrapped, keys, { hash, sessionKey, commitment })
  await outcome('a wrap made here', undefined, cases[0]!.key, Promise.resolve(encodeHex(bytes)))
}

async function verifies(publicKey: string, message: string, signature: string): Promise<boolean> {
  const key = await importSigningKey(encodePem(decodeHex(`302a300506032b6570032100${publicKey}`)))
  return verify(key, decodeHex(message), encodeBase64(decodeHex(signature)))
}

async function attachment(
  { key, prefix }: Vectors['files'],
  size: number,
  reference: AttachmentReference,
  expect: (title: string, expected: unknown, found: unknown) => void
): Promise<void> {
  const file = Uint8Array.from({ length: size }, (_, at) => at % 251)
  const made = encryptAttachment(new Blob([file]).stream(), (length) =>
    decodeHex(length === 32 ? key : prefix)
  )
  const pieces: Uint8Array<ArrayBuffer>[] = []
  for await (const piece of made.ciphertext) pieces.push(piece.slice())
  expect(`a file of ${size} bytes`, reference, made.reference())
  const opened: Uint8Array[] = []
  for await (const piece of decryptAttachment(reference, new Blob(pieces).stream())) opened.push(piece)
  const same = concat(...opened).every((byte, at) => byte === file[at])
  expect(`a file of ${size} bytes, decrypted`, true, same && concat(...opened).length === size)
}
