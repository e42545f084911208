import { signStatement, statementHash } from '../../../src/crypto/statements.js'
import type { SignedStatement } from '../../../src/protocol/schema.js'
import { statementText } from '../../../src/protocol/statement-texts.js'
import type {
  ConversationStatement,
  MemberLine,
  Role,
  UserStatement
} from '../../../src/protocol/statements.js'
import { alice, bob, carol, fakeHash, mallory, publicKeys, tablet, type Actor } from './actors.js'

const conversation = '0198c6f3-1c08-7a3e-b5f4-0d9e6b2c8103'
const id = (last: number): string => `0198c6f2-7b1e-7c55-9d2a-3f1f0c5a9e0${last}`

/** A statement without its place in the chain. */
type Unlinked<S> = S extends unknown ? Omit<S, 'sequence' | 'previous'> : never
/** The next statement of a chain, its signers, and the place that it claims if that is not the right one. */
interface Step<S> {
  statement: Unlinked<S>
  signers: Actor[]
  place?: { sequence: number; previous: string }
}

const device = (
  kind: 'device-add' | 'device-rekey' | 'device-reset',
  at: number,
  actor: Actor,
  version = 1
) =>
  ({
    kind,
    user: 'alice',
    device: id(at),
    signingKey: actor.fingerprint,
    encryptionKey: actor.encryptionKey,
    encryptionVersion: version
  }) satisfies Unlinked<UserStatement>

const newKey = fakeHash('a new encryption key')
const first: Step<UserStatement> = { statement: device('device-add', 1, alice), signers: [alice] }
const second: Step<UserStatement> = { statement: device('device-add', 2, tablet), signers: [tablet, alice] }
const rekeyed = (version: number) => ({
  ...device('device-rekey', 2, tablet, version),
  encryptionKey: newKey
})
const rekey: Step<UserStatement> = { statement: rekeyed(2), signers: [tablet] }
const revoke: Step<UserStatement> = {
  statement: { kind: 'device-revoke', user: 'alice', device: id(1) },
  signers: [tablet]
}
const ghost = device('device-add', 3, mallory)

/** The steps of a case, and the code with which the last one must be refused. */
type Case<S> = [title: string, steps: Step<S>[], attack?: string, refused?: string]

const userCases: Case<UserStatement>[] = [
  ['a first device, one more, a new key, and the first one revoked', [first, second, rekey, revoke]],
  [
    'a reset: a new root, and no other device',
    [first, second, { statement: device('device-reset', 3, carol), signers: [carol] }]
  ],
  [
    'a device that nobody approved',
    [first, { statement: ghost, signers: [mallory] }],
    'ghost-device',
    'invalid-signature'
  ],
  [
    'a device that somebody else’s device approved',
    [first, { statement: ghost, signers: [mallory, bob] }],
    'ghost-device',
    'bad-signature'
  ],
  [
    'a device that a revoked device approved',
    [first, second, revoke, { statement: ghost, signers: [mallory, alice] }],
    'ghost-device',
    'bad-signature'
  ],
  [
    'a device that did not sign itself',
    [first, { statement: ghost, signers: [alice] }],
    'ghost-device',
    'invalid-signature'
  ],
  [
    'a retired device that comes back',
    [first, second, revoke, { statement: device('device-add', 1, alice), signers: [alice, tablet] }],
    'ghost-device',
    'id-conflict'
  ],
  [
    'a second beginning',
    [first, { statement: ghost, signers: [mallory], place: { sequence: 1, previous: '-' } }],
    'second-root',
    'stale-chain'
  ],
  [
    'a reset that old devices seem to confirm',
    [first, { statement: device('device-reset', 3, mallory), signers: [mallory, alice] }],
    'second-root',
    'bad-signature'
  ],
  [
    'a chain that begins with a reset',
    [{ statement: device('device-reset', 1, alice), signers: [alice] }],
    'second-root',
    'invalid-statement'
  ],
  [
    'a statement that follows another history',
    [first, { ...second, place: { sequence: 2, previous: fakeHash('another first statement') } }],
    'forked-chain',
    'stale-chain'
  ],
  [
    'a statement that leaves out another',
    [first, { ...second, place: { sequence: 3, previous: fakeHash('a statement that is not shown') } }],
    'forked-chain',
    'stale-chain'
  ],
  [
    'a key version that goes back',
    [first, second, rekey, { ...rekey, statement: device('device-rekey', 2, tablet, 1) }],
    'downgraded-key',
    'forbidden'
  ],
  [
    'a key version that skips one',
    [first, second, { ...rekey, statement: rekeyed(3) }],
    'downgraded-key',
    'forbidden'
  ],
  [
    'a new device with a later key version',
    [first, { ...second, statement: device('device-add', 2, tablet, 2) }],
    'downgraded-key',
    'invalid-statement'
  ],
  [
    'a new key that the device did not sign',
    [first, second, { ...rekey, signers: [alice] }],
    'swapped-key',
    'bad-signature'
  ]
]

const line = (username: string, role: Role, { fingerprint: root }: Actor): MemberLine => ({
  username,
  role,
  root
})
const create: Step<ConversationStatement> = {
  statement: {
    kind: 'conversation-create',
    conversation,
    conversationKind: 'group',
    members: [line('alice', 'admin', alice), line('bob', 'member', bob)],
    by: alice.fingerprint
  },
  signers: [alice]
}
const add = (by: Actor, member: MemberLine, ...signers: Actor[]): Step<ConversationStatement> => ({
  statement: { kind: 'conversation-add', conversation, member, by: by.fingerprint },
  signers: signers.length > 0 ? signers : [by]
})
const addCarol = add(alice, line('carol', 'member', carol))
const elsewhere = { sequence: 2, previous: fakeHash('another beginning') }

const conversationCases: Case<ConversationStatement>[] = [
  [
    'a group to which somebody is added by another device of the admin’s',
    [create, add(tablet, line('carol', 'member', carol))]
  ],
  [
    'a group in which roles change, and somebody leaves',
    [
      create,
      addCarol,
      {
        statement: {
          kind: 'conversation-role',
          conversation,
          member: line('bob', 'admin', bob),
          by: alice.fingerprint
        },
        signers: [alice]
      },
      { statement: { kind: 'conversation-leave', conversation, by: alice.fingerprint }, signers: [alice] }
    ]
  ],
  [
    'a member whom no admin added',
    [create, add(bob, line('carol', 'member', carol))],
    'ghost-member',
    'not-admin'
  ],
  [
    'a member whom a stranger added',
    [create, add(mallory, line('mallory', 'admin', mallory))],
    'ghost-member',
    'not-admin'
  ],
  [
    'a member whom an admin seems to have added',
    [create, add(alice, line('mallory', 'member', mallory), mallory)],
    'ghost-member',
    'bad-signature'
  ],
  [
    'a member under the root of somebody else',
    [create, add(alice, line('carol', 'member', mallory))],
    'ghost-member',
    'root-changed'
  ],
  [
    'a second signature',
    [create, add(alice, line('carol', 'member', carol), alice, tablet)],
    'ghost-member',
    'bad-signature'
  ],
  [
    'a statement that follows another history',
    [create, { ...addCarol, place: elsewhere }],
    'forked-chain',
    'stale-chain'
  ],
  [
    'a second beginning',
    [create, { ...create, place: { sequence: 1, previous: '-' } }],
    'second-root',
    'stale-chain'
  ],
  ['a beginning in the middle', [create, create], 'second-root', 'invalid-statement']
]

export async function chainVectors() {
  return {
    about: [
      'keys: public signing keys by fingerprint. Every case is a chain from its first statement. With refused, its',
      'last statement must be refused with that code, and all before it are good; attack says what it would amount to.',
      'Without, then tells what the chain says. owners: whose device has which signing key; roots: the users’ current',
      'roots. Only active devices (and the one that is added) may sign in a user’s chain, only by in a conversation’s.'
    ],
    keys: publicKeys,
    users: await Promise.all(userCases.map(async (one) => made(one))),
    conversations: await Promise.all(
      conversationCases.map(async (one) => ({
        ...(await made(one)),
        owners: {
          [alice.fingerprint]: 'alice',
          [tablet.fingerprint]: 'alice',
          [bob.fingerprint]: 'bob',
          [carol.fingerprint]: 'carol',
          [mallory.fingerprint]: 'mallory'
        },
        roots: {
          alice: alice.fingerprint,
          bob: bob.fingerprint,
          carol: carol.fingerprint,
          mallory: mallory.fingerprint
        }
      }))
    )
  }
}

async function made<S extends UserStatement | ConversationStatement>([
  title,
  steps,
  attack,
  refused
]: Case<S>) {
  const statements: SignedStatement[] = []
  for (const { statement, signers, place } of steps) {
    const last = statements.at(-1)
    const next = {
      sequence: statements.length + 1,
      previous: last === undefined ? '-' : await statementHash(last.text)
    }
    const text = statementText({ ...statement, ...(place ?? next) })
    statements.push(await signStatement(text, ...signers))
  }
  const head = await statementHash(statements.at(-1)!.text)
  return {
    title,
    statements,
    ...(refused === undefined ? { then: { head, ...finalStates[title] } } : { attack, refused })
  }
}

/** The final state of each valid chain, written by hand. */
const finalStates: Record<string, object> = {
  [userCases[0]![0]]: { root: alice.fingerprint, devices: { [id(2)]: newKey }, retired: [id(1)] },
  [userCases[1]![0]]: {
    root: carol.fingerprint,
    devices: { [id(3)]: carol.encryptionKey },
    retired: [id(1), id(2)]
  },
  [conversationCases[0]![0]]: { members: { alice: 'admin', bob: 'member', carol: 'member' } },
  [conversationCases[1]![0]]: { members: { bob: 'admin', carol: 'member' } }
}
