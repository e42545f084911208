import { createPrivateKey, createPublicKey } from 'node:crypto'
import t from 'tap'
import { loginText } from '../support/interop/chains.js'
import { sha256Hex, unbase64, verify } from '../support/interop/crypto.js'
import { isSoundKey, verifyEd25519 } from '../support/interop/ed25519.js'
import type { Sealed } from '../support/interop/http.js'
import { MessageOrder } from '../support/interop/message-order.js'
import { messageDigest, messageSignedBy, unseal } from '../support/interop/messages.js'
import { linkNumber, linkText, safetyNumber, type DeviceLink } from '../support/interop/numbers.js'
import { check } from '../support/interop/refused.js'
import { answer, judge, type Case } from '../support/interop/vector-cases.js'
import { unwrap, type WrappedKey } from '../support/interop/wraps.js'
import { vectors } from '../support/vectors.js'

// The second client was written from docs/protocol.md only. It gives the answers of the vectors.
t.test('Wraps', async (t) => {
  const file = vectors<{
    device: string
    privateEncryptionKey: string
    kemSeed: string
    cases: Case<{
      hasKemKey: boolean
      statement: { hash: string; sessionKey: string; commitment: string }
      wrappedKey: string
      hash: string
      key: string
    }>[]
  }>('wraps')
  const pkcs8 = { key: unbase64(file.privateEncryptionKey), format: 'der', type: 'pkcs8' } as const
  const reader = { signingFp: file.device, encryptionPrivate: createPrivateKey(pkcs8) }
  const kemPrivate = Buffer.from(file.kemSeed, 'hex')
  const work = ({ hasKemKey, statement, wrappedKey }: (typeof file.cases)[number]) => {
    const { hash, sessionKey: id, commitment } = statement
    const key: WrappedKey = { id, hash, commitment }
    return [
      unwrap(hasKemKey ? { ...reader, kemPrivate } : reader, key, wrappedKey).toString('hex'),
      sha256Hex(unbase64(wrappedKey))
    ]
  }
  judge(t, file.cases, work, ({ key, hash }) => [key, hash])
})

t.test('Messages', async (t) => {
  const { keys, cases } = vectors<{
    keys: Record<string, string>
    cases: Case<{
      conversationId: string
      key: string
      sessionKey: { id: string; key: string }
      by: string
      message: Sealed
      content: unknown
      digest: string
    }>[]
  }>('messages')
  const work = ({ conversationId, key, sessionKey, by, message }: (typeof cases)[number]) => {
    const name = { conversationId, key, id: message.id, by }
    check(messageSignedBy(keys[by]!, name, message), 'forged')
    return [unseal(Buffer.from(sessionKey.key, 'hex'), name, message), messageDigest(message)]
  }
  judge(t, cases, work, ({ content, digest }) => [content, digest])
})

t.test('Link numbers', async (t) => {
  const { cases } = vectors<{ cases: Case<{ link: DeviceLink; text: string; number: string }>[] }>(
    'link-numbers'
  )
  judge(
    t,
    cases,
    ({ link }) => [linkText(link), linkNumber(link)],
    ({ text, number }) => [text, number]
  )
})

t.test('Sign-ins with the key of a device', async (t) => {
  const { cases } = vectors<{
    cases: Case<{
      login: { server: string; user: string; device: string; nonce: string; by: string }
      text: string
      signingKey: string
      signature: string
    }>[]
  }>('device-logins')
  const work = ({ login, signingKey, signature }: (typeof cases)[number]) => {
    const text = loginText(login.server, login.user, login.device, login.nonce, login.by)
    check(verify(signingKey, text, signature), 'forged')
    return text
  }
  judge(t, cases, work, ({ text }) => text)
})

t.test('Safety numbers', async (t) => {
  const { cases, badRoots } = vectors<{
    cases: { roots: [string, string]; safetyNumber: string }[]
    badRoots: string[]
  }>('safety-numbers')
  for (const { roots, safetyNumber: number } of cases) {
    const [one, other] = roots
    t.strictSame([safetyNumber(one, other), safetyNumber(other, one)], [number, number])
    for (const bad of badRoots)
      t.equal(
        answer(() => safetyNumber(one, bad)),
        'refused',
        bad
      )
  }
})

t.test('Signatures of Ed25519', async (t) => {
  const { cases } = vectors<{
    cases: {
      title: string
      message: string
      publicKey: string
      signature: string
      valid: boolean
      keyRefused: boolean
    }[]
  }>('ed25519-speccheck')
  for (const { title, message, publicKey, signature, valid, keyRefused } of cases) {
    const key = createPublicKey({
      key: Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), Buffer.from(publicKey, 'hex')]),
      format: 'der',
      type: 'spki'
    })
    const isValid = verifyEd25519(key, Buffer.from(message, 'hex'), Buffer.from(signature, 'hex'))
    t.strictSame([isValid, !isSoundKey(key)], [valid, keyRefused], title)
  }
})

interface Shown {
  device: string
  n: number
  id: string
  position: number
  text: string
  known?: true
  late?: true
  refused?: string
}

t.test('Messages in the order in which they are shown', async (t) => {
  const { cases } = vectors<{
    cases: { about: string; shown: Shown[]; missing: Record<string, [number, number][]> }[]
  }>('order')
  for (const { about, shown, missing } of cases) {
    const order = new MessageOrder()
    for (const { device: by, text: digest, known, late, refused, ...message } of shown) {
      const whole = { conversationId: 'c', key: 'k', by, digest, ...message }
      const verdict = answer(() => (order.isKnown(whole) ? 'known' : order.take(whole) ? 'late' : 'new'))
      t.equal(verdict, refused ? 'refused' : known ? 'known' : late ? 'late' : 'new', about)
    }
    for (const [by, ranges] of Object.entries(missing)) {
      const numbers = ranges.flatMap(([from, to]) =>
        Array.from({ length: to - from + 1 }, (_, i) => from + i)
      )
      t.strictSame(order.missing({ key: 'k', by }), numbers, about)
    }
  }
})

t.test('As many deleted messages fill a gap, and fewer do not', async (t) => {
  const counter = { key: 'k', by: 'd' }
  const order = new MessageOrder()
  for (const [n, position] of [
    [1, 10],
    [4, 40]
  ] as const)
    order.take({ ...counter, conversationId: 'c', id: `${n}`, digest: `${n}`, n, position })
  order.noteDeleted(counter, { id: 'a', position: 20 })
  order.noteDeleted(counter, { id: 'b', position: 50 })
  t.strictSame(order.missing(counter), [2, 3])
  order.noteDeleted({ ...counter, by: 'another' }, { id: 'c', position: 30 })
  order.noteDeleted(counter, { id: 'a', position: 30 })
  order.noteDeleted(counter, { id: '1', position: 30 })
  t.strictSame(
    order.missing(counter),
    [2, 3],
    'one of another device, of a message that was read, or in another place fills nothing'
  )
  order.noteDeleted(counter, { id: 'c', position: 30 })
  t.strictSame(order.missing(counter), [])
})
