import { decryptAttachment, encryptAttachment } from '../src/crypto/attachments.js'
import {
  generateEncryptionKeys,
  generateSigningKeys,
  importEncryptionKey,
  importSigningKey
} from '../src/crypto/keys.js'
import { openMessage, sealMessage } from '../src/crypto/messages.js'
import { decodeKemKey, generateKemKeys } from '../src/crypto/kem.js'
import { generateSessionKey, sessionKeyCommitment } from '../src/crypto/session-keys.js'
import { unwrapSessionKey, wrapSessionKey, wrapSessionKeyForAll } from '../src/crypto/wraps.js'
import { MESSAGE_BYTES, type Bench } from './bench.js'
import { LongChain } from './long-chain.js'

const WEEKS = 52
/** A device gets new keys every 90 days. */
const REKEYS = 4
/** Concurrent operations, as in a client that catches up. */
const CONCURRENCY = 16

/** The throughput of the client's cryptography in one process, without a server. */
export async function cryptography({ quick, report }: Bench): Promise<void> {
  const ms = quick ? 300 : 5000
  const signer = await generateSigningKeys({ extractable: false })
  const signingKey = await importSigningKey(signer.publicKey)
  const sessionKey = await generateSessionKey()
  const conversationId = crypto.randomUUID()
  const key = '00'.repeat(32)
  const content = { type: 'text', n: 1, text: 'x'.repeat(MESSAGE_BYTES / 2) }
  const sealOne = () =>
    sealMessage({ conversationId, key, id: crypto.randomUUID(), sessionKey, signer, content })
  report({
    name: 'messages sealed, one process',
    value: await perSecond(ms, sealOne),
    unit: '/s',
    target: { of: 'value', atLeast: 5000 }
  })

  const message = await sealOne()
  const openOne = () =>
    openMessage({ conversationId, key, sessionKey, by: signer.fingerprint, signingKey, message })
  report({
    name: 'messages opened, one process',
    value: await perSecond(ms, openOne),
    unit: '/s',
    target: { of: 'value', atLeast: 3000 }
  })

  const device = await generateEncryptionKeys({ extractable: false })
  const encryptionKey = await importEncryptionKey(device.publicKey)
  const kem = await generateKemKeys()
  const signing = signer.fingerprint
  const statement = {
    hash: key,
    sessionKey: sessionKey.id,
    commitment: await sessionKeyCommitment(sessionKey)
  }
  const forms = {
    'RSA 3072': { kemKey: undefined, kemSeed: undefined },
    'RSA 3072 and ML-KEM-768': { kemKey: decodeKemKey(kem.publicKey), kemSeed: kem.seed }
  }
  for (const [form, { kemKey, kemSeed }] of Object.entries(forms)) {
    const recipient = { signingKey: signing, encryptionKey, kemKey }
    const own = { signingKey: signing, encryptionKey: device.privateKey, kemSeed }
    const wrapped = await wrapSessionKey(sessionKey, recipient, key)
    const wraps = await perSecond(ms, () => wrapSessionKey(sessionKey, recipient, key))
    report({ name: `session keys wrapped, ${form}`, value: wraps, unit: '/s' })
    const unwraps = await perSecond(ms, () => unwrapSessionKey(wrapped, own, statement))
    report({ name: `session keys unwrapped, ${form}`, value: unwraps, unit: '/s' })
  }
  const recipient = { signingKey: signing, encryptionKey, kemKey: forms['RSA 3072 and ML-KEM-768'].kemKey }
  for (const devices of quick ? [10, 250] : [10, 250, 1000]) {
    const since = performance.now()
    await wrapSessionKeyForAll(sessionKey, Array<typeof recipient>(devices).fill(recipient), key)
    report({ name: `session key for ${devices} devices`, value: performance.now() - since, unit: 'ms' })
  }

  await chains(quick, report)
  const envelope = JSON.stringify({ ...message, sessionKeyId: sessionKey.id, key })
  report({
    name: `message of ${MESSAGE_BYTES / 2} characters, as JSON`,
    value: envelope.length,
    unit: 'bytes'
  })
  for (const kemKey of [undefined, recipient.kemKey]) {
    const wrapped = await wrapSessionKey(sessionKey, { ...recipient, kemKey }, key)
    const form = kemKey === undefined ? 'RSA 3072' : 'RSA 3072 and ML-KEM-768'
    report({ name: `wrap for one device, ${form}, as base64`, value: wrapped.length, unit: 'bytes' })
  }

  const megabytes = quick ? 25 : 100
  const { grownBytes, ms: took } = await attachment(megabytes * 1e6)
  report({
    name: `attachment of ${megabytes} MB encrypted and decrypted`,
    value: (megabytes * 1000) / took,
    unit: 'MB/s'
  })
  report({ name: 'resident meanwhile, above before, peak', value: grownBytes / 2 ** 20, unit: 'MiB' })
}

/** The time to verify long chains from nothing, and how they grow. */
async function chains(quick: boolean, report: Bench['report']): Promise<void> {
  const links = quick ? 200 : 1000
  for (const members of [10, 250]) {
    const chain = await LongChain.create(members)
    while (chain.items.length < links) await chain.changeTimer(chain.items.length)
    const since = performance.now()
    const verified = await chain.verify()
    const name = `chain of ${verified} links with ${members} members verified`
    report({ name, value: performance.now() - since, unit: 'ms' })
  }
  for (const members of [10, 250]) {
    const chain = await LongChain.create(members)
    const first = chain.items.length
    for (let week = 0; week < WEEKS; week++) await chain.key([])
    for (let n = 0; n < members * REKEYS; n++) await chain.rekey(n % members)
    const name = `chain of ${members} members in a year of weekly keys and ${REKEYS} rekeys each`
    report({ name, value: chain.bytes(first) / 1000, unit: 'kB' })
  }
}

/** Calls of `work` per second, `CONCURRENCY` at a time. */
async function perSecond(ms: number, work: () => Promise<unknown>): Promise<number> {
  const run = async (until: number): Promise<number> => {
    let count = 0
    const worker = async () => {
      for (; performance.now() < until; count++) await work()
    }
    await Promise.all(Array.from({ length: CONCURRENCY }, worker))
    return count
  }
  await run(performance.now() + ms / 5)
  const since = performance.now()
  return ((await run(since + ms)) * 1000) / (performance.now() - since)
}

/** Encrypts a generated file. Then encrypts it again and decrypts it, as one stream. */
async function attachment(bytes: number): Promise<{ grownBytes: number; ms: number }> {
  const piece = new Uint8Array(65_536).fill(7)
  async function* file(): AsyncGenerator<Uint8Array> {
    for (let left = bytes; left > 0; left -= piece.length) yield piece.subarray(0, left)
  }
  const before = process.memoryUsage.rss()
  let peak = before
  const drain = async (pieces: AsyncIterator<unknown>) => {
    while ((await pieces.next()).done !== true) peak = Math.max(peak, process.memoryUsage.rss())
  }
  const random = (length: number) => new Uint8Array(length).fill(length)
  const first = encryptAttachment(file(), random)
  await drain(first.ciphertext)
  const since = performance.now()
  await drain(decryptAttachment(first.reference(), encryptAttachment(file(), random).ciphertext))
  return { grownBytes: peak - before, ms: performance.now() - since }
}
