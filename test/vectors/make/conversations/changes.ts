import { alice, bob, carol, dave, erin, erinPhone, mallory } from '../people.js'
import {
  A1,
  A2,
  B1,
  C1,
  C_RESET,
  D1,
  bobs,
  carols,
  group,
  groupOfThree,
  groupOfTwoAdmins,
  phone,
  tablet
} from './beginnings.js'
import { at, bad, good, line, type Case } from './steps.js'

export const changeCases: Case[] = [
  {
    title: 'an admin adds members, and gives and takes roles',
    steps: [
      group,
      good(
        [phone.add(line(carol, 'member')), phone.key([at(carol, 1)], [A1, B1, C1])],
        ['alice admin 1', 'bob member 1', 'carol member 1']
      ),
      good(
        [phone.role(line(bob, 'admin')), phone.key([], [A1, B1, C1])],
        ['alice admin 1', 'bob admin 1', 'carol member 1']
      ),
      good(
        [bobs.add(line(dave, 'admin')), bobs.key([at(dave, 1)], [A1, B1, C1, D1])],
        ['alice admin 1', 'bob admin 1', 'carol member 1', 'dave admin 1']
      ),
      good(
        [bobs.role(line(alice, 'member')), bobs.key([], [A1, B1, C1, D1])],
        ['alice member 1', 'bob admin 1', 'carol member 1', 'dave admin 1']
      ),
      good(
        [bobs.remove(alice), bobs.key([], [B1, C1, D1])],
        ['bob admin 1', 'carol member 1', 'dave admin 1']
      )
    ]
  },
  {
    title: 'several changes in one request, each judged on what the one before left',
    steps: [
      group,
      good(
        [
          phone.role(line(bob, 'admin')),
          phone.add(line(carol, 'member')),
          phone.role(line(carol, 'admin')),
          phone.role(line(alice, 'member')),
          phone.key([at(carol, 1)], [A1, B1, C1])
        ],
        ['alice member 1', 'bob admin 1', 'carol admin 1']
      ),
      bad('not-admin', bobs.role(line(bob, 'member')), bobs.remove(alice), bobs.key([], [B1, C1])),
      bad(
        'already-member',
        bobs.add(line(dave, 'member')),
        bobs.add(line(dave, 'admin')),
        bobs.key([at(dave, 1)], [A1, B1, C1, D1])
      ),
      bad('not-a-member', bobs.remove(carol), bobs.role(line(carol, 'member')), bobs.key([], [A1, B1])),
      good(
        [bobs.remove(carol), bobs.timer(60), bobs.role(line(alice, 'admin')), bobs.key([], [A1, B1])],
        ['alice admin 1', 'bob admin 1'],
        60
      )
    ]
  },
  {
    title: 'a member gets another role and is removed in one request',
    steps: [
      groupOfThree,
      good(
        [phone.role(line(bob, 'admin')), phone.remove(bob), phone.key([], [A1, C1])],
        ['alice admin 1', 'carol member 1']
      )
    ]
  },
  {
    title: 'an admin sets the timer, and takes it away',
    steps: [
      group,
      good([phone.timer(86_400), phone.key([], [A1, B1])], ['alice admin 1', 'bob member 1'], 86_400),
      good([bobs.key([], [A1, B1])], ['alice admin 1', 'bob member 1'], 86_400),
      good([phone.timer(0), phone.key([], [A1, B1])], ['alice admin 1', 'bob member 1'], 0)
    ]
  },
  {
    title: 'another device of an admin makes the change',
    steps: [
      group,
      good(
        [tablet.add(line(carol, 'member')), tablet.key([at(alice, 2), at(carol, 1)], [A1, A2, B1, C1])],
        ['alice admin 2', 'bob member 1', 'carol member 1']
      )
    ]
  },
  {
    title: 'a member who was removed comes back, in a later request or in the same',
    steps: [
      groupOfThree,
      good([phone.remove(bob), phone.key([], [A1, C1])], ['alice admin 1', 'carol member 1']),
      good(
        [phone.add(line(bob, 'admin')), phone.key([at(bob, 1)], [A1, B1, C1])],
        ['alice admin 1', 'carol member 1', 'bob admin 1']
      ),
      good(
        [phone.remove(carol), phone.add(line(carol, 'member')), phone.key([at(carol, 1)], [A1, B1, C1])],
        ['alice admin 1', 'bob admin 1', 'carol member 1']
      )
    ]
  },
  {
    title: 'only admins change a group',
    attack: 'takeover',
    steps: [
      groupOfThree,
      bad('not-admin', bobs.add(line(mallory, 'member')), bobs.key([at(mallory, 1)], [A1, B1, C1])),
      bad('not-admin', bobs.remove(carol), bobs.key([], [A1, B1])),
      bad('not-admin', bobs.role(line(bob, 'admin')), bobs.key([], [A1, B1, C1])),
      bad('not-admin', bobs.role(line(alice, 'member')), bobs.key([], [A1, B1, C1])),
      bad('not-admin', bobs.timer(5), bobs.key([], [A1, B1, C1])),
      good([bobs.key([], [A1, B1, C1])], ['alice admin 1', 'bob member 1', 'carol member 1'])
    ]
  },
  {
    title: 'an admin who lost the role has lost it',
    attack: 'takeover',
    steps: [
      groupOfTwoAdmins,
      good(
        [bobs.role(line(alice, 'member')), bobs.key([], [A1, B1, C1])],
        ['alice member 1', 'bob admin 1', 'carol member 1']
      ),
      bad('not-admin', phone.remove(bob), phone.key([], [A1, C1])),
      good([bobs.remove(alice), bobs.key([], [B1, C1])], ['bob admin 1', 'carol member 1']),
      bad('not-admin', phone.add(line(alice, 'admin')), phone.key([at(alice, 1)], [A1, B1, C1])),
      bad('not-in-roster', phone.key([], [B1, C1]))
    ]
  },
  {
    title: 'a member is added once, under the root at the state',
    attack: 'ghost-member',
    steps: [
      group,
      bad('already-member', phone.add(line(bob, 'admin')), phone.key([], [A1, B1])),
      bad('already-member', phone.add(line(bob, 'member', 2)), phone.key([at(bob, 4)], [A1])),
      bad('root-changed', phone.add(line(carol, 'member', 2)), phone.key([at(carol, 1)], [A1, B1, C1])),
      bad('root-changed', phone.add(line(carol, 'member')), phone.key([at(carol, 2)], [A1, B1])),
      bad(
        'root-changed',
        phone.add({ ...line(carol, 'member'), root: erinPhone.fingerprint }),
        phone.key([at(carol, 1)], [A1, B1, C1])
      ),
      good(
        [phone.add(line(carol, 'member', 2)), phone.key([at(carol, 2)], [A1, B1, C_RESET])],
        ['alice admin 1', 'bob member 1', 'carol member 2 2']
      )
    ]
  },
  {
    title: 'a role changes, and repeats the root of the line',
    attack: 'second-root',
    steps: [
      groupOfThree,
      bad('invalid-statement', phone.role(line(bob, 'member')), phone.key([], [A1, B1, C1])),
      bad('root-changed', phone.role(line(bob, 'admin', 2)), phone.key([], [A1, B1, C1])),
      bad('root-changed', phone.role(line(carol, 'admin', 2)), phone.key([at(carol, 2)], [A1, B1])),
      bad('not-a-member', phone.role(line(dave, 'admin')), phone.key([], [A1, B1, C1])),
      bad('not-a-member', phone.remove(dave), phone.key([], [A1, B1, C1]))
    ]
  },
  {
    title: 'a user whom a request brings in is in when it is over',
    attack: 'hidden-member',
    steps: [
      bad(
        'invalid-statement',
        phone.create('group', line(alice, 'admin'), line(bob, 'member')),
        phone.remove(bob),
        phone.key([at(alice, 1)], [A1])
      ),
      group,
      bad(
        'invalid-statement',
        phone.add(line(carol, 'member')),
        phone.remove(carol),
        phone.key([], [A1, B1])
      ),
      bad(
        'invalid-statement',
        phone.add(line(erin, 'member')),
        phone.remove(erin),
        phone.key([at(erin, 1)], [A1, B1])
      ),
      good(
        [phone.add(line(carol, 'admin')), phone.key([at(carol, 1)], [A1, B1, C1])],
        ['alice admin 1', 'bob member 1', 'carol admin 1']
      ),
      bad('not-in-roster', carols.remove(carol), carols.key([], [A1, B1]))
    ]
  }
]
