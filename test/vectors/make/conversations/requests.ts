import { alice, alicePhone, bob, bobPhone, carol, malloryPhone } from '../people.js'
import { fakeHash } from '../actors.js'
import {
  A1,
  A2,
  B1,
  B2,
  C1,
  bobs,
  direct,
  group,
  groupOfTwoAdmins,
  phone,
  self,
  tablet
} from './beginnings.js'
import { at, bad, by, good, line, type Case, type Part } from './steps.js'

const roles = (count: number): Part[] =>
  Array.from({ length: count }, (_, at) => phone.role(line(bob, at % 2 === 0 ? 'admin' : 'member')))
const twoAdmins = ['alice admin 1', 'bob admin 1', 'carol member 1']
const elsewhere = '0198c6f3-1c08-7a3e-b5f4-0d9e6b2c8104'
const moved = ({ statement, ...part }: Part): Part => ({
  ...part,
  statement: { ...statement, conversation: elsewhere }
})

export const requestCases: Case[] = [
  {
    title: 'a request has up to a hundred changes, and one of the timer',
    steps: [
      group,
      bad('invalid-statement', ...roles(101), phone.key([], [A1, B1])),
      good([...roles(100), phone.key([], [A1, B1])], ['alice admin 1', 'bob member 1']),
      bad('invalid-statement', phone.timer(5), phone.timer(6), phone.key([], [A1, B1])),
      bad('invalid-statement', phone.timer(5), ...roles(2), phone.timer(5), phone.key([], [A1, B1]))
    ]
  },
  {
    title: 'changes come with their key',
    attack: 'dangling-change',
    steps: [
      bad('key-required', phone.create('group', line(alice, 'admin'), line(bob, 'member'))),
      groupOfTwoAdmins,
      bad('key-required', phone.remove(carol)),
      bad('key-required', phone.timer(5), phone.remove(carol)),
      bad('key-required', phone.timer(5), phone.leave()),
      bad('key-required', phone.timer(5), bobs.leave(), phone.key([], [A1, C1])),
      bad('key-required', phone.key([], [A1, B1, C1]), phone.timer(5)),
      good([phone.timer(5), phone.key([], [A1, B1, C1])], twoAdmins, 5)
    ]
  },
  {
    title: 'one device signs the changes of a request and its key',
    attack: 'dangling-change',
    steps: [
      groupOfTwoAdmins,
      bad('invalid-statement', phone.timer(5), bobs.key([], [A1, B1, C1])),
      bad('invalid-statement', phone.timer(5), bobs.remove(carol), phone.key([], [A1, B1])),
      bad('invalid-statement', phone.timer(5), tablet.key([at(alice, 2)], [A1, A2, B1, C1])),
      bad('invalid-statement', tablet.timer(5), phone.key([at(alice, 2)], [A1, A2, B1, C1])),
      good([bobs.timer(5), bobs.key([], [A1, B1, C1])], twoAdmins, 5)
    ]
  },
  {
    title: 'each statement follows the one before',
    attack: 'forked-chain',
    steps: [
      group,
      bad('stale-chain', { ...phone.key([], [A1, B1]), claimed: { sequence: 4 } }),
      bad('stale-chain', { ...phone.key([], [A1, B1]), claimed: { sequence: 2 } }),
      bad('stale-chain', { ...phone.key([], [A1, B1]), claimed: { previous: fakeHash('another key') } }),
      bad('stale-chain', { ...phone.key([], [A1, B1]), claimed: { previous: '-' } }),
      bad('stale-chain', phone.timer(5), {
        ...phone.key([], [A1, B1]),
        claimed: { previous: fakeHash('another change') }
      }),
      bad('stale-chain', { ...bobs.leave(), claimed: { sequence: 4 } }),
      good([phone.timer(5), phone.key([], [A1, B1])], ['alice admin 1', 'bob member 1'], 5)
    ]
  },
  {
    title: 'each statement names the conversation',
    attack: 'moved-statement',
    steps: [
      bad(
        'invalid-statement',
        ...[phone.create('self', line(alice, 'member')), phone.key([at(alice, 1)], [A1])].map(moved)
      ),
      group,
      bad('invalid-statement', moved(phone.key([], [A1, B1]))),
      bad('invalid-statement', moved(phone.timer(5)), phone.key([], [A1, B1])),
      bad('invalid-statement', moved(bobs.leave()))
    ]
  },
  {
    title: 'the device that a statement names signs it, and no other',
    attack: 'forged-statement',
    steps: [
      group,
      bad('bad-signature', { ...phone.key([], [A1, B1]), signers: [malloryPhone] }),
      bad('bad-signature', { ...phone.key([], [A1, B1]), signers: [alicePhone, bobPhone] }),
      bad('bad-signature', { ...phone.timer(5), signers: [bobPhone] }, phone.key([], [A1, B1])),
      bad('bad-signature', { ...bobs.leave(), signers: [alicePhone] })
    ]
  },
  {
    title: 'the members of a direct conversation stay',
    attack: 'ghost-member',
    steps: [
      direct,
      bad('forbidden', phone.add(line(carol, 'member')), phone.key([at(carol, 1)], [A1, B1, C1])),
      bad('forbidden', phone.remove(bob), phone.key([], [A1])),
      bad('forbidden', phone.role(line(alice, 'admin')), phone.key([], [A1, B1])),
      bad('already-member', phone.renew(line(bob, 'member')), phone.key([], [A1, B1])),
      bad('already-member', phone.renew(line(alice, 'member')), phone.key([], [A1, B1])),
      bad('not-in-roster', by(malloryPhone).key([], [A1, B1]))
    ]
  },
  {
    title: 'either side of a direct conversation sets the timer',
    steps: [
      direct,
      good([phone.timer(60), phone.key([], [A1, B1])], ['alice member 1', 'bob member 1'], 60),
      good([bobs.timer(0), bobs.key([at(bob, 2)], [A1, B1, B2])], ['alice member 1', 'bob member 2'], 0)
    ]
  },
  {
    title: 'a conversation with oneself takes only keys',
    attack: 'ghost-member',
    steps: [
      self,
      bad('forbidden', phone.add(line(bob, 'member')), phone.key([at(bob, 1)], [A1, B1])),
      bad('forbidden', phone.remove(alice), phone.key([], [])),
      bad('forbidden', phone.role(line(alice, 'admin')), phone.key([], [A1])),
      bad('forbidden', phone.renew(line(alice, 'member')), phone.key([], [A1])),
      bad('forbidden', phone.timer(5), phone.key([], [A1])),
      bad('not-in-roster', bobs.key([], [A1])),
      good([tablet.key([at(alice, 2)], [A1, A2])], ['alice member 2'])
    ]
  }
]
