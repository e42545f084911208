import { decodeHex, encodeHex } from '../../../src/crypto/encoding.js'
import {
  importSessionKey,
  type RosterLine,
  rosterHash,
  sessionKeyCommitment
} from '../../../src/crypto/session-keys.js'
import { signStatement } from '../../../src/crypto/statements.js'
import { statementText } from '../../../src/protocol/statement-texts.js'
import {
  alice,
  bob,
  bobsKey,
  carol,
  counting,
  examples,
  fakeHash,
  mallory,
  publicKeys,
  wrapForBob,
  type Actor
} from './actors.js'

export const conversationId = '0198c6f3-1c08-7a3e-b5f4-0d9e6b2c8103'
export const otherConversation = '0198c6f3-1c08-7a3e-b5f4-0d9e6b2c8104'
export const otherId = '0198c6f3-5d72-7f90-a1c8-e47b3d5f6205'
const id = examples.sessionKey.id
const head = examples.conversationCreate.hash
export const sessionKey = await importSessionKey(id, decodeHex(examples.sessionKey.key))
export const otherKey = await importSessionKey(id, counting(1)(32))

const line = ({ fingerprint, encryptionKey }: Actor): RosterLine => ({
  signingKey: fingerprint,
  encryptionKey
})
const roster = [line(alice), line(bob)]
const oldAlice = { ...line(alice), encryptionKey: fakeHash('Alice’s encryption key before') }

/** A signed session key statement with some fields changed. */
async function signed(
  change: { conversation?: string; sessionKey?: string; roster?: RosterLine[] } = {},
  by = alice,
  signer = by
) {
  const { conversation = conversationId, sessionKey: name = id, roster: lines = roster } = change
  const statement = { kind: 'session-key', conversation, sessionKey: name, head, by: by.fingerprint } as const
  const commitment = await sessionKeyCommitment(sessionKey)
  const text = statementText({ ...statement, commitment, roster: await rosterHash(lines) })
  return signStatement(text, signer)
}

export async function sessionKeyVectors() {
  const good = {
    conversationId,
    id,
    roster,
    statement: await signed(),
    wrappedKey: examples.sessionKey.wrappedKey
  }
  const wrapped = (bytes: Uint8Array) => wrapForBob(bytes, counting(0x11)(32))
  const truncated = good.wrappedKey.replace(/^..../, '')
  const altered = `${good.wrappedKey.startsWith('A') ? 'B' : 'A'}${good.wrappedKey.slice(1)}`
  const cases: [title: string, change: object, attack: string, refused: string][] = [
    [
      'it is signed by another than its maker',
      { statement: await signed({}, alice, mallory) },
      'forged-session-key',
      'bad-signature'
    ],
    [
      'its maker is no member’s device',
      { statement: await signed({}, mallory) },
      'forged-session-key',
      'not-in-roster'
    ],
    [
      'its maker is not in its roster',
      { statement: await signed({}, carol) },
      'forged-session-key',
      'not-in-roster'
    ],
    [
      'it is wrapped for a device more',
      { statement: await signed({ roster: [...roster, line(mallory)] }) },
      'ghost-device',
      'wrong-roster'
    ],
    [
      'it is wrapped for a member who was removed',
      { statement: await signed({ roster: [...roster, line(carol)] }) },
      'ghost-member',
      'wrong-roster'
    ],
    ['it is not wrapped for a member', { roster: [...roster, line(carol)] }, 'withheld-key', 'wrong-roster'],
    [
      'it is wrapped for an encryption key that was replaced',
      { statement: await signed({ roster: [oldAlice, line(bob)] }) },
      'downgraded-key',
      'wrong-roster'
    ],
    [
      'a device’s signing key is bound to another encryption key',
      {
        statement: await signed({
          roster: [line(alice), { ...line(bob), encryptionKey: mallory.encryptionKey }]
        })
      },
      'swapped-key',
      'wrong-roster'
    ],
    [
      'it is of another conversation',
      { statement: await signed({ conversation: otherConversation }) },
      'moved-session-key',
      'wrong-place'
    ],
    [
      'it is another session key’s statement',
      { statement: await signed({ sessionKey: otherId }) },
      'moved-session-key',
      'wrong-place'
    ],
    ['another key was wrapped', { wrappedKey: wrapped(otherKey.bytes) }, 'swapped-key', 'wrong-commitment'],
    [
      'too short a key was wrapped',
      { wrappedKey: wrapped(sessionKey.bytes.subarray(0, 31)) },
      'swapped-key',
      'bad-wrap'
    ],
    ['too long a key was wrapped', { wrappedKey: wrapped(counting(0x40)(33)) }, 'swapped-key', 'bad-wrap'],
    ['the wrap was altered', { wrappedKey: altered }, 'swapped-key', 'bad-wrap'],
    ['the wrap was cut', { wrappedKey: truncated }, 'swapped-key', 'bad-wrap']
  ]
  return {
    about: [
      'A session key as Bob is shown it. conversationId, id and roster are what he derives from the chains; statement',
      'and wrappedKey are the server’s word. key: what must come out. refused: the code with which it must be refused.'
    ],
    keys: publicKeys,
    privateEncryptionKey: bobsKey,
    cases: [
      { title: 'a key of Alice’s for her and Bob', ...good, key: encodeHex(sessionKey.bytes) },
      {
        title: 'the same, wrapped with another seed',
        ...good,
        wrappedKey: wrapped(sessionKey.bytes),
        key: encodeHex(sessionKey.bytes)
      },
      ...cases.map(([title, change, attack, refused]) => ({ title, ...good, ...change, attack, refused }))
    ]
  }
}
