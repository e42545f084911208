import t from 'tap'
import {
  extendConversationChain,
  type ConversationChain,
  type CurrentRoots
} from '../../src/protocol/conversation-chain.js'
import { problems } from '../../src/protocol/problems.js'
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

t.test('The active devices of a user extend the user’s chain', (t) => {
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
  t.equal(fourth.root, fp('one'), 'approved devices keep the root')
  const reset = extendUserChain(fourth, binding('device-reset', fourth, 'new'), fp('5'), by('new'))
  t.strictSame([[...reset.devices.keys()], reset.root], [['new'], fp('new')])
  t.end()
})

t.test('A statement that breaks a rule of the user’s chain is refused', (t) => {
  const revoke = {
    kind: 'device-revoke',
    user: 'alice',
    sequence: 3,
    previous: fp('2'),
    device: 'one'
  } as const
  const revoked = extendUserChain(second, revoke, fp('3'), by('two'))
  const refused: [
    code: string,
    title: string,
    chain: UserChain | null,
    UserStatement,
    ReadonlySet<string>
  ][] = [
    ['invalid-statement', 'starts with a reset', null, binding('device-reset', null, 'one'), by('one')],
    [
      'invalid-signature',
      'not signed by the new device',
      null,
      binding('device-add', null, 'one'),
      by('two')
    ],
    ['invalid-signature', 'not approved', first, binding('device-add', first, 'two'), by('two')],
    [
      'invalid-signature',
      'approved, but not signed by the new device',
      first,
      binding('device-add', first, 'two'),
      by('one')
    ],
    ['stale-chain', 'not on the head', second, binding('device-add', first, 'three'), by('one', 'three')],
    [
      'stale-chain',
      'a sequence skipped',
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
      'starts with version 2',
      first,
      binding('device-add', first, 'two', { encryptionVersion: 2 }),
      by('one', 'two')
    ],
    [
      'forbidden',
      'a version skipped',
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
      'revokes an unknown device',
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
  for (const [code, title, chain, statement, signers] of refused)
    t.throws(() => extendUserChain(chain, statement, fp('x'), signers), { code }, title)
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
function link(chain: ConversationChain | null, change: Change): ConversationStatement {
  return {
    ...change,
    conversation: 'c',
    by: fp('device'),
    sequence: (chain?.sequence ?? 0) + 1,
    previous: chain?.head ?? '-'
  }
}
function create(kind: 'direct' | 'group', ...members: MemberLine[]) {
  const statement = link(null, { kind: 'conversation-create', conversationKind: kind, members })
  return extendConversationChain(null, statement, fp('c1'), members[0]!.username, roots)
}
const extend = (chain: ConversationChain, change: Change, actor: string, now: CurrentRoots = roots) =>
  extendConversationChain(chain, link(chain, change), fp(`c${chain.sequence + 1}`), actor, now)

t.test('Only admins change a group, and every member may leave it', (t) => {
  const group = create('group', member('alice', 'admin'), member('bob'))
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
    code: 'not-admin',
    message: problems['not-admin'][1]
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

t.test('After a reset a member is added again under the new root and keeps the place in the order', (t) => {
  const group = create('group', member('alice', 'admin'), member('bob'), member('carol'))
  const now = new Map([...roots, ['bob', fp('bob again')]])
  const again = extend(
    group,
    { kind: 'conversation-add', member: member('bob', 'member', fp('bob again')) },
    'alice',
    now
  )
  t.strictSame([...again.members.keys()], ['alice', 'bob', 'carol'])
  t.equal(again.members.get('bob')?.root, fp('bob again'))
  t.end()
})

t.test(
  'Without an admin whose root is current, the longest-standing member with a current root counts as admin',
  (t) => {
    const group = create('group', member('alice', 'admin'), member('bob'), member('carol'))
    const now = new Map([...roots, ['alice', fp('alice again')]])
    const again = { kind: 'conversation-add', member: member('alice', 'admin', fp('alice again')) } as const
    t.throws(() => extend(group, again, 'carol', now), { code: 'not-admin' })
    t.throws(() => extend(group, again, 'alice', now), { code: 'not-admin' })
    t.equal(extend(group, again, 'bob', now).members.get('alice')?.root, fp('alice again'))
    t.end()
  }
)

t.test(
  'The two members of a direct conversation never change, and add each other again after a reset',
  (t) => {
    const direct = create('direct', member('alice'), member('bob'))
    for (const change of [
      { kind: 'conversation-leave' },
      { kind: 'conversation-remove', username: 'bob' },
      { kind: 'conversation-role', member: member('bob', 'admin') },
      { kind: 'conversation-add', member: member('carol') }
    ] as const)
      t.throws(() => extend(direct, change, 'alice'), { code: 'forbidden' }, change.kind)
    const now = new Map([...roots, ['bob', fp('bob again')]])
    const again = { kind: 'conversation-add', member: member('bob', 'member', fp('bob again')) } as const
    t.equal(extend(direct, again, 'alice', now).members.get('bob')?.root, fp('bob again'))
    t.throws(() => extend(direct, again, 'bob', now), { code: 'not-admin' })
    t.throws(() => create('direct', member('alice'), member('bob'), member('carol')), {
      code: 'invalid-statement'
    })
    t.throws(() => create('group', member('alice'), member('bob')), { code: 'forbidden' })
    t.end()
  }
)
