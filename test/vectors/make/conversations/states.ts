import { alice, bob, carol, dave, erin, erinPhone } from '../people.js'
import { A1, A2, A2_REKEYED, B1, B2, C1, D1, bobs, carols, group, groupOfThree, phone } from './beginnings.js'
import { at, bad, good, line, type Case } from './steps.js'

const three = [at(alice, 1), at(bob, 1), at(carol, 1)]

export const stateCases: Case[] = [
  {
    title: 'a state may stay behind a user’s chain, and catches up',
    steps: [
      group,
      good([phone.key([at(bob, 2)], [A1, B1, B2])], ['alice admin 1', 'bob member 2']),
      good([bobs.key([at(alice, 3)], [A1, A2_REKEYED, B1, B2])], ['alice admin 3', 'bob member 2']),
      good([phone.key([at(bob, 3)], [A1, A2_REKEYED, B1])], ['alice admin 3', 'bob member 3'])
    ]
  },
  {
    title: 'a member without a device has a state, too',
    steps: [
      good(
        [
          phone.create('group', line(alice, 'admin'), line(erin, 'member')),
          phone.key([at(alice, 1), at(erin, 1)], [A1, [erin, erinPhone]])
        ],
        ['alice admin 1', 'erin member 1']
      ),
      good([phone.key([at(erin, 2)], [A1])], ['alice admin 1', 'erin member 2']),
      good([phone.key([], [A1])], ['alice admin 1', 'erin member 2'])
    ]
  },
  {
    title: 'the first key has a line for each member',
    attack: 'hidden-state',
    steps: [
      bad(
        'invalid-statement',
        phone.create('group', line(alice, 'admin'), line(bob, 'member')),
        phone.key([at(alice, 1)], [A1, B1])
      ),
      bad(
        'not-in-roster',
        phone.create('group', line(alice, 'admin'), line(bob, 'member')),
        phone.key([at(bob, 1)], [A1, B1])
      ),
      bad(
        'not-in-roster',
        phone.create('group', line(alice, 'admin'), line(bob, 'member')),
        phone.key([], [A1, B1])
      ),
      bad(
        'invalid-statement',
        phone.create('group', line(alice, 'admin'), line(bob, 'member')),
        phone.key(three, [A1, B1, C1])
      )
    ]
  },
  {
    title: 'a key has lines for exactly what is new or differs',
    attack: 'hidden-state',
    steps: [
      groupOfThree,
      bad('invalid-statement', phone.key([at(bob, 1)], [A1, B1, C1])),
      bad('invalid-statement', phone.key([at(alice, 2), at(bob, 1)], [A1, A2, B1, C1])),
      bad('invalid-statement', phone.key([at(dave, 1)], [A1, B1, C1])),
      bad('invalid-statement', phone.add(line(dave, 'member')), phone.key([], [A1, B1, C1, D1])),
      bad('invalid-statement', phone.remove(bob), phone.key([at(bob, 2)], [A1, C1])),
      good([phone.remove(bob), phone.key([], [A1, C1])], ['alice admin 1', 'carol member 1']),
      bad('invalid-statement', phone.key([at(bob, 1)], [A1, C1])),
      bad('invalid-statement', phone.add(line(bob, 'member')), phone.key([], [A1, B1, C1])),
      bad('invalid-statement', phone.remove(carol), phone.add(line(carol, 'member')), phone.key([], [A1, C1]))
    ]
  },
  {
    title: 'a member who left and comes back has a new line',
    attack: 'hidden-state',
    steps: [
      groupOfThree,
      good([bobs.leave()], ['alice admin 1', 'carol member 1']),
      bad('invalid-statement', phone.key([at(bob, 1)], [A1, C1])),
      bad('invalid-statement', phone.add(line(bob, 'member')), phone.key([], [A1, B1, C1])),
      good(
        [phone.add(line(bob, 'member')), phone.key([at(bob, 1)], [A1, B1, C1])],
        ['alice admin 1', 'carol member 1', 'bob member 1']
      )
    ]
  },
  {
    title: 'a state never goes back',
    attack: 'rollback',
    steps: [
      group,
      good([phone.key([at(alice, 3), at(bob, 3)], [A1, A2_REKEYED, B1])], ['alice admin 3', 'bob member 3']),
      bad('invalid-statement', phone.key([at(alice, 2)], [A1, A2, B1])),
      bad('invalid-statement', phone.key([at(bob, 2)], [A1, A2_REKEYED, B1, B2])),
      bad('invalid-statement', bobs.key([at(alice, 1), at(bob, 1)], [A1, B1]))
    ]
  },
  {
    title: 'a state does not go back by way of a removal or a leave',
    attack: 'rollback',
    steps: [
      group,
      good([bobs.key([at(bob, 3)], [A1, B1])], ['alice admin 1', 'bob member 3']),
      bad(
        'invalid-statement',
        phone.remove(bob),
        phone.add(line(bob, 'member')),
        phone.key([at(bob, 2)], [A1, B1, B2])
      ),
      good([phone.remove(bob), phone.key([], [A1])], ['alice admin 1']),
      bad('invalid-statement', phone.add(line(bob, 'member')), phone.key([at(bob, 2)], [A1, B1, B2])),
      good(
        [phone.add(line(bob, 'member')), phone.key([at(bob, 3)], [A1, B1])],
        ['alice admin 1', 'bob member 3']
      ),
      good([bobs.leave()], ['alice admin 1']),
      good([phone.key([], [A1])], ['alice admin 1']),
      bad('invalid-statement', phone.add(line(bob, 'member')), phone.key([at(bob, 1)], [A1, B1])),
      good(
        [phone.add(line(bob, 'admin')), phone.key([at(bob, 3)], [A1, B1])],
        ['alice admin 1', 'bob admin 3']
      )
    ]
  },
  {
    title: 'a state is on the user’s own chain',
    attack: 'forked-chain',
    steps: [
      group,
      bad('forked-chain', phone.key([{ ...at(bob, 2), head: at(bob, 3).head }], [A1, B1, B2])),
      bad('forked-chain', phone.key([{ ...at(bob, 1), head: at(alice, 1).head }], [A1, B1])),
      bad('forked-chain', phone.key([{ ...at(alice, 2), head: at(bob, 2).head }], [A1, A2, B1])),
      bad('withheld-chain', phone.key([{ ...at(bob, 5), sequence: 6 }], [A1, B1])),
      bad('withheld-chain', phone.key([{ ...at(bob, 5), sequence: 999_999_999 }], [A1, B1])),
      bad(
        'forked-chain',
        phone.add(line(carol, 'member')),
        phone.key([{ ...at(carol, 1), head: at(bob, 1).head }], [A1, B1, C1])
      ),
      good(
        [phone.add(line(carol, 'member')), phone.key([at(carol, 1)], [A1, B1, C1])],
        ['alice admin 1', 'bob member 1', 'carol member 1']
      ),
      bad('forked-chain', carols.key([{ ...at(carol, 1), head: at(carol, 2).head }], [A1, B1, C1]))
    ]
  }
]
