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
import { importPrivateEncryptionKey, importSigningKey, verify } from '../../src/crypto/keys.js'
import { openMessage } from '../../src/crypto/messages.js'
import { encodePem } from '../../src/crypto/pem.js'
import { safetyNumber } from '../../src/crypto/safety-number.js'
import {
  importSessionKey,
  type RosterLine,
  unwrapSessionKey,
  verifySessionKey
} from '../../src/crypto/session-keys.js'
import type { CryptoKey } from '../../src/crypto/web-crypto.js'
import type { NewMessage } from '../../src/protocol/messages.js'
import type { SignedStatement } from '../../src/protocol/schema.js'
import { refusal } from '../support/refusal.js'

/** The vectors that the browser is given. This file is bundled into the one script that it runs. */
export interface Vectors {
  sessionKeys: {
    keys: Record<string, string>
    privateEncryptionKey: string
    cases: {
      title: string
      conversationId: string
      id: string
      roster: RosterLine[]
      statement: SignedStatement
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
  const { privateEncryptionKey } = vectors.sessionKeys
  const privateKey = await importPrivateEncryptionKey(privateEncryptionKey, { extractable: false })

  for (const { title, statement, wrappedKey, key, refused, ...expected } of vectors.sessionKeys.cases)
    await outcome(
      title,
      refused,
      key,
      verifySessionKey(statement, { ...expected, signingKeys })
        .then(({ commitment }) => unwrapSessionKey(privateKey, wrappedKey, { id: expected.id, commitment }))
        .then(({ bytes }) => encodeHex(bytes))
    )
  for (const { title, conversationId, sessionKey, by, message, content, refused } of vectors.messages.cases) {
    const key = await importSessionKey(sessionKey.id, decodeHex(sessionKey.key))
    const signingKey = signingKeys.get(by)!
    const opened = openMessage({ conversationId, sessionKey: key, by, signingKey, message })
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
  for (const { size, reference } of vectors.files.files)
    await attachment(vectors.files, size, reference, expect)
  for (const { publicKey, tests } of vectors.signatures) {
    const key = await importSigningKey(encodePem(decodeHex(`302a300506032b6570032100${publicKey.pk}`)))
    for (const { tcId, comment, msg, sig, result } of tests)
      expect(
        `${tcId} ${comment}`,
        result === 'valid',
        await verify(key, decodeHex(msg), encodeBase64(decodeHex(sig)))
      )
  }
  return { cases, wrong }
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
