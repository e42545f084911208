import { createPrivateKey } from 'node:crypto'
import t from 'tap'
import { parseStatement, signed, statementHash, statementText } from '../support/interop/chains.js'
import type { Statement } from '../support/interop/chains.js'
import { replayConversation } from '../support/interop/conversation-chain.js'
import { commitment, joinKeys, type DeviceKeys } from '../support/interop/crypto.js'
import { laterWraps, openWrap } from '../support/interop/later-wraps.js'
import { rosterText } from '../support/interop/roster.js'
import { replayUser } from '../support/interop/user-chain.js'
import { answer, knownKeys } from '../support/interop/vector-cases.js'
import { vectors } from '../support/vectors.js'

// The second client was written from docs/protocol.md only. It gives the answers of the page's own examples.

interface Keys {
  signingSeed?: string
  signingKey?: string
  signingFingerprint?: string
  encryptionPrivateKey?: string
  kemSeed?: string
  kemFingerprint?: string
}
type Example = Statement & { hash: string }
type Key = Parameters<typeof openWrap>[0]

const { keys: first } = vectors<{ keys: { alice: Keys; bob: Keys } }>('examples')
const group = vectors<{
  keys: { tablet: Keys; carol: Keys; carolsPhone: Keys; bobRekeyed: Keys }
  users: Record<string, Example[]>
  links: Example[]
  sessionKeys: { id: string; key: string; commitment: string; roster: string }[]
  wrap: string
  added: { statement: Example; wrap: string }
}>('group')
const allKeys = [...Object.values(first), ...Object.values(group.keys)] as Keys[]

/** Ed25519 private keys are given as seeds: this is the beginning of their PKCS #8. */
const PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex')

function deviceKeys({ signingSeed, encryptionPrivateKey, kemSeed }: Keys): DeviceKeys {
  const key = Buffer.concat([PREFIX, Buffer.from(signingSeed!, 'hex')])
  return joinKeys(
    createPrivateKey(encryptionPrivateKey!),
    createPrivateKey({ key, format: 'der', type: 'pkcs8' }),
    kemSeed === undefined ? undefined : Buffer.from(kemSeed, 'hex')
  )
}

const known = knownKeys(
  Object.fromEntries(
    allKeys.flatMap(({ signingFingerprint, signingKey }) =>
      signingFingerprint === undefined ? [] : [[signingFingerprint, signingKey!]]
    )
  )
)
const users = new Map(
  Object.entries(group.users).map(([name, statements]) => [name, replayUser(name, statements, known)])
)
const [, id = ''] = /^conversation (.*)$/m.exec(group.links[0]!.text) ?? []
const chain = replayConversation(id, group.links, known, users)

t.test('Its texts, hashes and signatures are those of the page', async (t) => {
  const signers = allKeys.filter((one) => one.signingSeed && one.encryptionPrivateKey).map(deviceKeys)
  const statements = [...Object.values(group.users).flat(), ...group.links, group.added.statement]
  let compared = 0
  for (const { text, hash, signatures } of statements) {
    const { kind, lines } = parseStatement(text)
    t.equal(statementText(kind, lines), text, kind)
    t.equal(statementHash({ text, signatures }), hash)
    for (const keys of signers.filter(({ signingFp }) => signingFp in signatures)) {
      t.equal(signed(text, keys).signatures[keys.signingFp], signatures[keys.signingFp])
      compared++
    }
  }
  t.ok(compared > 10)
})

t.test('It derives the keys and rosters of the group, to the end', async (t) => {
  t.strictSame(
    [...chain.keys.values()].map((key) => [key.id, key.commitment, rosterText(key.roster)]),
    group.sessionKeys.map((key) => [key.id, key.commitment, key.roster])
  )
  for (const key of group.sessionKeys)
    t.equal(commitment(Buffer.from(key.key, 'hex'), key.id), key.commitment)
  t.strictSame([...chain.members], [['alice', { role: 'admin', root: first.alice.signingFingerprint }]])
  t.strictSame([chain.messageTtl, chain.head], [604_800, group.links.at(-1)!.hash])
})

t.test('It opens the wrap for Carol, and the later one for the tablet', async (t) => {
  const [one, two] = [...chain.keys.values()] as [Key, Key]
  const [carol, tablet] = [deviceKeys(group.keys.carol), deviceKeys(group.keys.tablet)]
  const line = two.roster.find(({ username }) => username === 'carol')
  t.equal(openWrap(two, [carol], line, group.wrap, []).toString('hex'), group.sessionKeys[1]!.key)
  const { statement, wrap: wrappedKey } = group.added
  const own = users.get('alice')!
  const later = laterWraps(id, one, [{ statement, wrappedKey }], tablet.signingFp, own, known)
  t.equal(openWrap(one, [tablet], undefined, undefined, later).toString('hex'), group.sessionKeys[0]!.key)
  t.strictSame(laterWraps(id, two, [{ statement, wrappedKey }], tablet.signingFp, own, known), [])
  t.strictSame(laterWraps(id, one, [{ statement, wrappedKey }], carol.signingFp, own, known), [])
  t.strictSame(laterWraps(id, one, [{ statement, wrappedKey: 'AAAA' }], tablet.signingFp, own, known), [])
  t.equal(
    answer(() => openWrap(two, [tablet], undefined, undefined, later)),
    'refused'
  )
})
