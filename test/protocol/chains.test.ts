import t from 'tap'
import {
  extendConversationChain,
  type ConversationChain,
  type CurrentRoots
} from '../../src/protocol/conversation-chain.js'
import type {
  ConversationStatement,
  MemberLine,
  Statement,
  UserStatement
} from '../../src/protocol/statements.js'
import { extendUserChain, type UserChain } from '../../src/protocol/user-chain.js'

const fp = (name: string) => Buffer.from(name.padEnd(32, '.')).toString('hex')
const by = (...names: string[]) => new Set(names.map(fp))

type Binding = Statement<'device-add' | 'device-rekey' | 'device-reset'>
function binding(
  kind: Binding['kind'],
  chain: UserChain | null,
  device: string,
  more: Partial<Binding> = {}
) {
  return {
    kind,
    user: 'alice',
    sequence: (chain?.sequence ?? 0) + 1,
    previous: chain?.head ?? '-',
    device,
    signingKey: fp(device),
    encryptionKey: fp(`${device} encryption`),
    encryptionVersion: 1,
    ...more
  } as UserStatement
}
const first = extendUserChain(null, binding('device-add', null, 'one'), fp('1'), by('one'))
const second = extendUserChain(first, binding('device-add', first, 'two'), fp('2'), by('one', 'two'))

t.test('a user’s chain grows by what its devices sign', (t) => {
  t.equal(first.root, fp('one'))
  t.strictSame([...second.devices.keys()], ['one', 'two'])
  const rekey = binding('device-rekey', second, 'two', { encryptionKey: fp('new'), encryptionVersion: 2 })
  const third = extendUserChain(second, rekey, fp('3'), by('two'))
  t.equal(third.devices.get('two')?.encryptionVersion, 2)
  const revoke = {
    kind: 'device-revoke',
    user: 'alice',
    sequence: 4,
    previous: fp('3'),
    device: 'one'
  } as const
  const fourth = extendUserChain(third, revoke, fp('4'), by('two'))
  t.strictSame([...fourth.devices.keys()], ['two'])
  t.equal(fourth.root, fp('one'), 'approved devices carry the root on')
  const reset = extendUserChain(fourth, binding('device-reset', fourth, 'new'), fp('5'), by('new'))
  t.strictSame([[...reset.devices.keys()], reset.root], [['new'], fp('new')])
  t.end()
})

t.test('a user’s chain refuses what breaks its rules', (t) => {
  const revoke = {
    kind: 'device-revoke',
    user: 'alice',
    sequence: 3,
    previous: fp('2'),
    device: 'one'
  } as const
  const revoked = extendUserChain(second, revoke, fp('3'), by('two'))
  const refused: [code: string, what: string, chain: UserChain | null, UserStatement, ReadonlySet<string>][] =
    [
      ['invalid-statement', 'begins with a reset', null, binding('device-reset', null, 'one'), by('one')],
      ['invalid-signature', 'possession unproven', null, binding('device-add', null, 'one'), by('two')],
      ['invalid-signature', 'not approved', first, binding('device-add', first, 'two'), by('two')],
      [
        'invalid-signature',
        'approved but not possessed',
        first,
        binding('device-add', first, 'two'),
        by('one')
      ],
      ['stale-chain', 'not on the head', second, binding('device-add', first, 'three'), by('one', 'three')],
      [
        'stale-chain',
        'a number left out',
        first,
        binding('device-add', first, 'two', { sequence: 3 }),
        by('one', 'two')
      ],
      ['id-conflict', 'a device twice', second, binding('device-add', second, 'two'), by('one', 'two')],
      [
        'id-conflict',
        'a revoked device again',
        revoked,
        binding('device-add', revoked, 'one'),
        by('one', 'two')
      ],
      [
        'invalid-statement',
        'begins with version 2',
        first,
        binding('device-add', first, 'two', { encryptionVersion: 2 }),
        by('one', 'two')
      ],
      [
        'forbidden',
        'a version left out',
        second,
        binding('device-rekey', second, 'two', { encryptionKey: fp('n'), encryptionVersion: 3 }),
        by('two')
      ],
      [
        'forbidden',
        'the same key again',
        second,
        binding('device-rekey', second, 'two', { encryptionVersion: 2 }),
        by('two')
      ],
      [
        'forbidden',
        'another signing key',
        second,
        binding('device-rekey', second, 'two', { signingKey: fp('x'), encryptionVersion: 2 }),
        by('two')
      ],
      [
        'invalid-signature',
        'rekeyed by another device',
        second,
        binding('device-rekey', second, 'two', { encryptionKey: fp('n'), encryptionVersion: 2 }),
        by('one')
      ],
      [
        'invalid-signature',
        'reset with a second signature',
        second,
        binding('device-reset', second, 'three'),
        by('three', 'one')
      ],
      [
        'invalid-signature',
        'revoked by a revoked device',
        revoked,
        { ...revoke, sequence: 4, previous: fp('3'), device: 'two' },
        by('one')
      ],
      [
        'device-not-found',
        'revokes what is not there',
        revoked,
        { ...revoke, sequence: 4, previous: fp('3') },
        by('two')
      ],
      [
        'invalid-statement',
        'another user',
        first,
        { ...binding('device-add', first, 'two'), user: 'bob' },
        by('one', 'two')
      ]
    ]
  for (const [code, what, chain, statement, signers] of refused)
    t.throws(() => extendUserChain(chain, statement, fp('x'), signers), { code }, what)
  t.end()
})

const roots: CurrentRoots = new Map(['alice', 'bob', 'carol', 'dave'].map((name) => [name, fp(name)]))
const member = (username: string, role: MemberLine['role'] = 'member', root = fp(username)) => ({
  username,
  role,
  root
})
type Change = {
  [K in ConversationStatement['kind']]: Omit<Statement<K>, 'sequence' | 'previous' | 'conversation' | 'by'>
}[ConversationStatement['kind']]
function change(chain: ConversationChain | null, what: Change): ConversationStatement {
  const link = {
    conversation: 'c',
    by: fp('device'),
    sequence: (chain?.sequence ?? 0) + 1,
    previous: chain?.head ?? '-'
  }
  return { ...what, ...link }
}
function begin(kind: 'direct' | 'group', ...members: MemberLine[]) {
  const statement = change(null, { kind: 'conversation-create', conversationKind: kind, members })
  return extendConversationChain(null, statement, fp('c1'), members[0]!.username, roots)
}
const extend = (chain: ConversationChain, what: Change, actor: string, now: CurrentRoots = roots) =>
  extendConversationChain(chain, change(chain, what), fp(`c${chain.sequence + 1}`), actor, now)

t.test('admins change a group, anyone may leave', (t) => {
  const group = begin('group', member('alice', 'admin'), member('bob'))
  const three = extend(group, { kind: 'conversation-add', member: member('carol') }, 'alice')
  t.strictSame([...three.members.keys()], ['alice', 'bob', 'carol'])
  const promoted = extend(three, { kind: 'conversation-role', member: member('bob', 'admin') }, 'alice')
  const removed = extend(promoted, { kind: 'conversation-remove', username: 'alice' }, 'bob')
  t.strictSame([...removed.members.keys()], ['bob', 'carol'])
  t.strictSame([...extend(removed, { kind: 'conversation-leave' }, 'carol').members.keys()], ['bob'])
  t.throws(() => extend(group, { kind: 'conversation-add', member: member('carol') }, 'bob'), {
    code: 'not-admin'
  })
  t.throws(() => extend(group, { kind: 'conversation-remove', username: 'alice' }, 'bob'), {
    code: 'not-admin'
  })
  t.throws(() => extend(group, { kind: 'conversation-add', member: member('bob') }, 'alice'), {
    code: 'already-member'
  })
  t.throws(() => extend(group, { kind: 'conversation-remove', username: 'dave' }, 'alice'), {
    code: 'not-a-member'
  })
  t.throws(() => extend(group, { kind: 'conversation-add', member: member('eve') }, 'alice'), {
    code: 'user-not-found'
  })
  t.throws(
    () => extend(group, { kind: 'conversation-add', member: member('dave', 'member', fp('old')) }, 'alice'),
    { code: 'root-changed' }
  )
  t.end()
})

t.test('after a reset a member is added again under the new root, and keeps his place', (t) => {
  const group = begin('group', member('alice', 'admin'), member('bob'), member('carol'))
  const now = new Map([...roots, ['bob', fp('bob anew')]])
  const again = extend(
    group,
    { kind: 'conversation-add', member: member('bob', 'member', fp('bob anew')) },
    'alice',
    now
  )
  t.strictSame([...again.members.keys()], ['alice', 'bob', 'carol'])
  t.equal(again.members.get('bob')?.root, fp('bob anew'))
  t.end()
})

t.test('when no admin has a current root, the longest-standing member who has one counts as admin', (t) => {
  const group = begin('group', member('alice', 'admin'), member('bob'), member('carol'))
  const now = new Map([...roots, ['alice', fp('alice anew')]])
  const again = { kind: 'conversation-add', member: member('alice', 'admin', fp('alice anew')) } as const
  t.throws(() => extend(group, again, 'carol', now), { code: 'not-admin' })
  t.throws(() => extend(group, again, 'alice', now), { code: 'not-admin' })
  t.equal(extend(group, again, 'bob', now).members.get('alice')?.root, fp('alice anew'))
  t.end()
})

t.test('a direct conversation keeps its two members, who may add each other again after a reset', (t) => {
  const direct = begin('direct', member('alice'), member('bob'))
  for (const what of [
    { kind: 'conversation-leave' },
    { kind: 'conversation-remove', username: 'bob' },
    { kind: 'conversation-role', member: member('bob', 'admin') },
    { kind: 'conversation-add', member: member('carol') }
  ] as const)
    t.throws(() => extend(direct, what, 'alice'), { code: 'forbidden' }, what.kind)
  const now = new Map([...roots, ['bob', fp('bob anew')]])
  const again = { kind: 'conversation-add', member: member('bob', 'member', fp('bob anew')) } as const
  t.equal(extend(direct, again, 'alice', now).members.get('bob')?.root, fp('bob anew'))
  t.throws(() => extend(direct, again, 'bob', now), { code: 'not-admin' })
  t.throws(() => begin('direct', member('alice'), member('bob'), member('carol')), {
    code: 'invalid-statement'
  })
  t.throws(() => begin('group', member('alice'), member('bob')), { code: 'forbidden' })
  t.end()
})
