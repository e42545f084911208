import {
  constants,
  createDecipheriv,
  createHash,
  createPrivateKey,
  createPublicKey,
  hkdfSync,
  privateDecrypt,
  sign,
  verify,
  type KeyObject
} from 'node:crypto'
import { ml_kem768 } from '@noble/post-quantum/ml-kem.js'
import t from 'tap'
import { chainRequests } from '../../src/protocol/chain-requests.js'
import type { ChainUsers, Link } from '../../src/protocol/conversation-chain.js'
import { ConversationHistory } from '../../src/protocol/conversation-history.js'
import { parseStatement } from '../../src/protocol/parse-statement.js'
import { rosterText } from '../../src/protocol/roster.js'
import { extendUserHistory, userState, type UserHistory } from '../../src/protocol/user-history.js'
import { vectors } from '../support/vectors.js'

interface Signed {
  text: string
  hash: string
  signatures: Record<string, string>
}

interface Device {
  signingSeed: string
  signingKey: string
  signingFingerprint: string
  encryptionKey: string
  encryptionFingerprint: string
  encryptionPrivateKey: string
  kemSeed?: string
  kemKey?: string
  kemFingerprint?: string
}

const { keys: firstKeys, linkNumber } = vectors<{
  keys: Record<'alice' | 'bob', Device>
  linkNumber: { text: string }
}>('examples')
const group = vectors<{
  keys: Record<'tablet' | 'carol' | 'carolsPhone' | 'bobRekeyed', Device>
  users: Record<'alice' | 'bob' | 'carol', Signed[]>
  links: Signed[]
  sessionKeys: { id: string; key: string; commitment: string; roster: string; rosterHash: string }[]
  wrap: string
  added: { statement: Signed; wrap: string }
}>('group')
const { tablet, carol, carolsPhone, bobRekeyed } = group.keys

const sha256 = (...parts: (string | Buffer)[]): string =>
  parts.reduce((hash, part) => hash.update(part), createHash('sha256')).digest('hex')
const fromHex = (text: string): Buffer => Buffer.from(text, 'hex')
const fromBase64 = (text: string): Buffer => Buffer.from(text, 'base64')

function signingPrivate({ signingSeed }: Device): KeyObject {
  const der = fromHex(`302e020100300506032b657004220420${signingSeed}`)
  return createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })
}

const signers = new Map(
  [firstKeys.alice, firstKeys.bob, tablet, carol, carolsPhone].map((device) => [
    device.signingFingerprint,
    device
  ])
)

const USER_KINDS = ['device-add', 'device-rekey', 'device-reset', 'device-revoke'] as const
const LINK_KINDS = [
  'conversation-create',
  'conversation-add',
  'conversation-role',
  'conversation-renew',
  'conversation-remove',
  'conversation-leave',
  'conversation-timer',
  'conversation-key'
] as const

const users = new Map(
  Object.entries(group.users).map(([username, statements]) => [username, userHistory(statements)])
)
const chainUsers: ChainUsers = {
  owners: (key) => [...users].filter(([, { devices }]) => devices.has(key)).map(([username]) => username),
  device: (username, key) => users.get(username)?.devices.get(key),
  at(username, { sequence, head }) {
    const history = users.get(username)!
    if (history.hashes[sequence - 1] !== head) throw new Error(`${username} has no such statement`)
    return userState(history, sequence)!
  }
}

function userHistory(statements: Signed[]): UserHistory {
  let history: UserHistory | null = null
  for (const { text, hash, signatures } of statements)
    history = extendUserHistory(
      history,
      parseStatement(text, USER_KINDS),
      hash,
      new Set(Object.keys(signatures))
    )
  return history!
}

t.test(
  'Fingerprints of the group’s devices follow from their keys, and KEM keys from their seeds',
  async (t) => {
    const der = (key: KeyObject) => key.export({ type: 'spki', format: 'der' })
    for (const device of [tablet, carol, carolsPhone, bobRekeyed]) {
      t.equal(sha256(der(createPublicKey(device.encryptionKey))), device.encryptionFingerprint)
      t.equal(sha256(der(createPublicKey(device.encryptionPrivateKey))), device.encryptionFingerprint)
      if (device.signingSeed)
        t.equal(sha256(der(createPublicKey(signingPrivate(device)))), device.signingFingerprint)
      if (device.kemSeed === undefined) continue
      const { publicKey } = ml_kem768.keygen(fromHex(device.kemSeed))
      t.equal(Buffer.from(publicKey).toString('base64'), device.kemKey)
      t.equal(sha256(fromBase64(device.kemKey!)), device.kemFingerprint)
    }
  }
)

t.test('Every statement of the group has its hash, and the signatures of its signers', async (t) => {
  const statements = [...Object.values(group.users).flat(), ...group.links, group.added.statement]
  for (const { text, hash, signatures } of statements) {
    t.equal(sha256(text), hash)
    for (const [fingerprint, signature] of Object.entries(signatures)) {
      const device = signers.get(fingerprint)!
      t.equal(sign(null, Buffer.from(text), signingPrivate(device)).toString('base64'), signature, text)
      t.ok(verify(null, Buffer.from(text), device.signingKey, fromBase64(signature)))
    }
  }
})

t.test('The users’ chains and the group’s chain follow the rules, and give the rosters', async (t) => {
  t.strictSame(
    [...users.values()].map(({ chain }) => [chain.user, chain.root, [...chain.devices.keys()].length]),
    [
      ['alice', firstKeys.alice.signingFingerprint, 1],
      ['bob', firstKeys.bob.signingFingerprint, 1],
      ['carol', carolsPhone.signingFingerprint, 1]
    ]
  )
  const links = group.links.map(({ text, hash, signatures }): Link => {
    const statement = parseStatement(text, LINK_KINDS)
    t.strictSame(Object.keys(signatures), [statement.by])
    return { statement, hash }
  })
  const history = new ConversationHistory(links[0]!.statement.conversation)
  for (const request of chainRequests(links)) history.append(request, history.next(request, chainUsers))
  t.equal(history.keys.length, group.sessionKeys.length)
  for (const [at, { id, key, commitment, roster, rosterHash }] of group.sessionKeys.entries()) {
    const link = history.keys[at]!
    t.equal(rosterText(history.rosterOf(link, chainUsers)), roster)
    t.equal(sha256(roster), rosterHash)
    const salt = fromHex(id.replaceAll('-', ''))
    const derived = hkdfSync('sha256', fromHex(key), salt, 'secure-chat/v1 commitment', 32)
    t.equal(Buffer.from(derived).toString('hex'), commitment)
    t.strictSame([link.id, link.commitment, link.roster], [id, commitment, rosterHash])
  }
  const { members, messageTtl, sequence } = history.chain!
  t.strictSame(
    [...members].map(([username, { role }]) => [username, role]),
    [['alice', 'admin']]
  )
  t.strictSame([messageTtl, sequence], [604_800, 11])
})

const oaepDecrypt = ({ encryptionPrivateKey: key }: Device, bytes: Buffer): Buffer =>
  privateDecrypt({ key, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' }, bytes)

t.test(
  'Carol’s wrap opens with her RSA key, and the tablet’s later wrap with both of its keys',
  async (t) => {
    const [first, second] = group.sessionKeys
    t.equal(oaepDecrypt(carol, fromBase64(group.wrap)).toString('hex'), second!.key)

    const { statement, wrap } = group.added
    const { hash } = group.links[1]!
    const bytes = fromBase64(wrap)
    t.strictSame(parseStatement(statement.text, ['wrap-added']), {
      kind: 'wrap-added',
      conversation: parseStatement(group.links[0]!.text, ['conversation-create']).conversation,
      key: hash,
      reader: tablet.signingFingerprint,
      wrap: sha256(bytes),
      by: firstKeys.alice.signingFingerprint
    })
    t.strictSame(Object.keys(statement.signatures), [firstKeys.alice.signingFingerprint])
    const [ct, rsa, sealed] = [bytes.subarray(0, 1088), bytes.subarray(1088, -48), bytes.subarray(-48)]
    const { secretKey } = ml_kem768.keygen(fromHex(tablet.kemSeed!))
    const ikm = Buffer.concat([ml_kem768.decapsulate(ct, secretKey), oaepDecrypt(tablet, rsa)])
    const salt = fromHex(sha256(fromHex(hash), ct, rsa))
    const key = Buffer.from(hkdfSync('sha256', ikm, salt, 'secure-chat/v1 wrap', 32))
    const decipher = createDecipheriv('aes-256-gcm', key, Buffer.alloc(12), { authTagLength: 16 })
    decipher.setAAD(
      Buffer.from(`secure-chat/v1 wrap\nstatement ${hash}\ndevice ${tablet.signingFingerprint}\n`)
    )
    decipher.setAuthTag(sealed.subarray(-16))
    const opened = Buffer.concat([decipher.update(sealed.subarray(0, -16)), decipher.final()])
    t.equal(opened.toString('hex'), first!.key)
  }
)

t.test('The link number is about the tablet, before its device-add', async (t) => {
  const [before, add] = group.users.alice
  const { device, signingKey, encryptionKey, kemKey } = parseStatement(add!.text, ['device-add'])
  t.equal(
    linkNumber.text,
    `secure-chat/v1 link\nuser alice\nroot ${firstKeys.alice.signingFingerprint}\nhead ${before!.hash}\n` +
      `device ${device}\nsigning-key ${signingKey}\nencryption-key ${encryptionKey}\nkem-key ${kemKey}\n`
  )
})
