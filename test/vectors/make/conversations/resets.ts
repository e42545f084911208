import { alice, aliceDesk, bob, bobDesk, bobLaptop, carol, carolDesk, dave } from '../people.js'
import {
  A1,
  A2_REKEYED,
  A_RESET,
  B1,
  B_RESET,
  B_RESET_AGAIN,
  C1,
  C_RESET,
  D1,
  bobs,
  carols,
  direct,
  group,
  groupOfThree,
  groupOfTwoAdmins,
  phone,
  self,
  tablet
} from './beginnings.js'
import { at, bad, by, good, line, type Case } from './steps.js'

const bobsDesk = by(bobDesk)
const carolsDesk = by(carolDesk)
const alicesDesk = by(aliceDesk)

/** Bob's line names a root that Bob has left. */
const bobIsStale = [
  groupOfThree,
  good([phone.key([at(bob, 4)], [A1, C1])], ['alice admin 1', 'bob member 4', 'carol member 1'])
]
/** The only admin's line is stale. */
const adminIsStale = [
  groupOfThree,
  good([bobs.key([at(alice, 6)], [B1, C1])], ['alice admin 6', 'bob member 1', 'carol member 1'])
]

export const resetCases: Case[] = [
  {
    title: 'an admin renews a member, who keeps role and place',
    steps: [
      ...bobIsStale,
      good(
        [phone.renew(line(bob, 'member', 2)), phone.key([], [A1, B_RESET, C1])],
        ['alice admin 1', 'bob member 4 2', 'carol member 1']
      ),
      good([bobsDesk.key([], [A1, B_RESET, C1])], ['alice admin 1', 'bob member 4 2', 'carol member 1'])
    ]
  },
  {
    title: 'a reset and its renewal in one request, to the root at the state',
    steps: [
      groupOfThree,
      good(
        [phone.renew(line(bob, 'member', 2)), phone.key([at(bob, 4)], [A1, B_RESET, C1])],
        ['alice admin 1', 'bob member 4 2', 'carol member 1']
      ),
      good(
        [phone.renew(line(bob, 'member', 3)), phone.key([at(bob, 5)], [A1, B_RESET_AGAIN, C1])],
        ['alice admin 1', 'bob member 5 3', 'carol member 1']
      )
    ]
  },
  {
    title: 'a stale member is removed, gets another role, or stays as it is',
    steps: [
      ...bobIsStale,
      good([carols.key([], [A1, C1])], ['alice admin 1', 'bob member 4', 'carol member 1']),
      good(
        [phone.role(line(bob, 'admin')), phone.key([], [A1, C1])],
        ['alice admin 1', 'bob admin 4', 'carol member 1']
      ),
      good([phone.remove(bob), phone.key([], [A1, C1])], ['alice admin 1', 'carol member 1']),
      good(
        [phone.add(line(bob, 'member', 2)), phone.key([at(bob, 4)], [A1, B_RESET, C1])],
        ['alice admin 1', 'carol member 1', 'bob member 4 2']
      )
    ]
  },
  {
    title: 'a stale member signs nothing',
    attack: 'takeover',
    steps: [
      ...adminIsStale,
      bad('not-in-roster', phone.key([], [B1, C1])),
      bad('not-in-roster', alicesDesk.key([], [B1, C1])),
      bad('not-in-roster', alicesDesk.remove(bob), alicesDesk.key([], [C1])),
      bad('not-in-roster', alicesDesk.renew(line(alice, 'admin', 2)), alicesDesk.key([], [A_RESET, B1, C1])),
      bad('not-in-roster', alicesDesk.leave())
    ]
  },
  {
    title: 'where no admin is current, each current member renews, and does no more',
    steps: [
      ...adminIsStale,
      bad('not-admin', bobs.remove(alice), bobs.key([], [B1, C1])),
      bad('not-admin', bobs.role(line(bob, 'admin')), bobs.key([], [B1, C1])),
      bad('not-admin', bobs.add(line(dave, 'member')), bobs.key([at(dave, 1)], [B1, C1, D1])),
      good(
        [carols.renew(line(alice, 'admin', 2)), carols.key([], [A_RESET, B1, C1])],
        ['alice admin 6 2', 'bob member 1', 'carol member 1']
      ),
      good(
        [alicesDesk.timer(5), alicesDesk.key([], [A_RESET, B1, C1])],
        ['alice admin 6 2', 'bob member 1', 'carol member 1'],
        5
      )
    ]
  },
  {
    title: 'an admin who was renewed is current for the changes behind it',
    steps: [
      ...adminIsStale,
      bad(
        'not-admin',
        carols.renew(line(alice, 'admin', 2)),
        carols.renew(line(bob, 'member', 2)),
        carols.key([at(bob, 4)], [A_RESET, B_RESET, C1])
      ),
      good(
        [
          carols.renew(line(bob, 'member', 2)),
          carols.renew(line(alice, 'admin', 2)),
          carols.key([at(bob, 4)], [A_RESET, B_RESET, C1])
        ],
        ['alice admin 6 2', 'bob member 4 2', 'carol member 1']
      )
    ]
  },
  {
    title: 'a member does not renew while an admin is current',
    attack: 'takeover',
    steps: [
      ...bobIsStale,
      bad('not-admin', carols.renew(line(bob, 'member', 2)), carols.key([], [A1, B_RESET, C1])),
      good(
        [phone.renew(line(bob, 'member', 2)), phone.key([], [A1, B_RESET, C1])],
        ['alice admin 1', 'bob member 4 2', 'carol member 1']
      )
    ]
  },
  {
    title: 'one of two admins is stale: the other renews, members do not',
    steps: [
      groupOfTwoAdmins,
      good([phone.key([at(bob, 4)], [A1, C1])], ['alice admin 1', 'bob admin 4', 'carol member 1']),
      bad('not-admin', carols.renew(line(bob, 'admin', 2)), carols.key([], [A1, B_RESET, C1])),
      bad('not-in-roster', bobsDesk.remove(alice), bobsDesk.key([], [C1])),
      good(
        [phone.renew(line(bob, 'admin', 2)), phone.key([], [A1, B_RESET, C1])],
        ['alice admin 1', 'bob admin 4 2', 'carol member 1']
      ),
      good([bobsDesk.remove(alice), bobsDesk.key([], [B_RESET, C1])], ['bob admin 4 2', 'carol member 1'])
    ]
  },
  {
    title: 'a renewal changes the root of a stale line, and nothing else',
    attack: 'second-root',
    steps: [
      ...bobIsStale,
      bad('invalid-statement', phone.renew(line(bob, 'admin', 2)), phone.key([], [A1, B_RESET, C1])),
      bad('root-changed', phone.renew(line(bob, 'member')), phone.key([], [A1, C1])),
      bad('root-changed', phone.renew(line(bob, 'member', 3)), phone.key([], [A1, C1])),
      bad(
        'root-changed',
        phone.renew({ ...line(bob, 'member'), root: aliceDesk.fingerprint }),
        phone.key([], [A1, C1])
      ),
      bad('already-member', phone.renew(line(carol, 'member')), phone.key([], [A1, C1])),
      bad('already-member', phone.renew(line(carol, 'member', 2)), phone.key([], [A1, C1])),
      bad('not-a-member', phone.renew(line(dave, 'member')), phone.key([], [A1, C1])),
      bad('already-member', phone.add(line(bob, 'member', 2)), phone.key([], [A1, B_RESET, C1])),
      bad(
        'invalid-statement',
        phone.renew(line(bob, 'member', 2)),
        phone.remove(bob),
        phone.key([], [A1, C1])
      )
    ]
  },
  {
    title: 'a state that stays behind a reset judges by the root before it',
    steps: [
      groupOfThree,
      bad('already-member', phone.renew(line(bob, 'member', 2)), phone.key([at(bob, 3)], [A1, B1, C1])),
      good([phone.key([at(bob, 3)], [A1, B1, C1])], ['alice admin 1', 'bob member 3', 'carol member 1']),
      good([bobs.key([], [A1, B1, C1])], ['alice admin 1', 'bob member 3', 'carol member 1'])
    ]
  },
  {
    title: 'in a direct conversation the other side renews',
    steps: [
      direct,
      good([phone.key([at(bob, 4)], [A1])], ['alice member 1', 'bob member 4']),
      bad('not-in-roster', bobsDesk.renew(line(bob, 'member', 2)), bobsDesk.key([], [A1, B_RESET])),
      bad('invalid-statement', phone.renew(line(bob, 'admin', 2)), phone.key([], [A1, B_RESET])),
      good(
        [phone.renew(line(bob, 'member', 2)), phone.key([], [A1, B_RESET])],
        ['alice member 1', 'bob member 4 2']
      ),
      good(
        [bobsDesk.renew(line(alice, 'member', 2)), bobsDesk.key([at(alice, 6)], [A_RESET, B_RESET])],
        ['alice member 6 2', 'bob member 4 2']
      )
    ]
  },
  {
    title: 'where both sides of a direct conversation are stale, nobody signs',
    attack: 'takeover',
    steps: [
      direct,
      good([phone.key([at(bob, 4)], [A1])], ['alice member 1', 'bob member 4']),
      bad(
        'not-in-roster',
        alicesDesk.renew(line(bob, 'member', 2)),
        alicesDesk.key([at(alice, 6)], [B_RESET])
      ),
      bad('not-in-roster', by(bobLaptop).key([at(bob, 5)], [A1])),
      good([tablet.key([at(alice, 3)], [A1, A2_REKEYED])], ['alice member 3', 'bob member 4'])
    ]
  },
  {
    title: 'a conversation with oneself ends with its root',
    attack: 'takeover',
    steps: [
      self,
      bad('not-in-roster', alicesDesk.key([at(alice, 6)], [A_RESET])),
      bad('forbidden', alicesDesk.renew(line(alice, 'member', 2)), alicesDesk.key([at(alice, 6)], [A_RESET])),
      bad('invalid-statement', carolsDesk.key([at(carol, 2)], [C_RESET]))
    ]
  },
  {
    title: 'a reset of a member who is not in changes nothing',
    steps: [
      group,
      good(
        [phone.add(line(carol, 'member', 2)), phone.key([at(carol, 2)], [A1, B1, C_RESET])],
        ['alice admin 1', 'bob member 1', 'carol member 2 2']
      )
    ]
  }
]
