import {
  alice,
  aliceBackup,
  aliceDesk,
  aliceTablet,
  bob,
  bobDesk,
  bobTablet,
  carol,
  malloryPhone
} from '../people.js'
import {
  A1,
  A2_REKEYED,
  B1,
  B_RESET,
  C1,
  bobs,
  carols,
  direct,
  group,
  groupOfThree,
  groupOfTwoAdmins,
  phone,
  self
} from './beginnings.js'
import { at, bad, by, good, line, type Case } from './steps.js'

export const departureCases: Case[] = [
  {
    title: 'a member leaves, and the next key knows the member no more',
    steps: [
      groupOfThree,
      good([bobs.leave()], ['alice admin 1', 'carol member 1']),
      good([phone.key([], [A1, C1])], ['alice admin 1', 'carol member 1']),
      bad('not-in-roster', bobs.leave()),
      bad('not-in-roster', bobs.key([], [A1, C1]))
    ]
  },
  {
    title: 'all leave, the last admin at last',
    steps: [
      groupOfThree,
      good([carols.leave()], ['alice admin 1', 'bob member 1']),
      good([bobs.leave()], ['alice admin 1']),
      good([phone.leave()], []),
      bad('not-in-roster', phone.leave()),
      bad('not-in-roster', phone.key([], []))
    ]
  },
  {
    title: 'a device leaves that no key knows yet',
    steps: [groupOfThree, good([by(bobTablet).leave()], ['alice admin 1', 'carol member 1'])]
  },
  {
    title: 'a device leaves that the user’s chain has retired, and no key knows of it',
    steps: [
      groupOfThree,
      good(
        [bobs.key([at(bob, 2)], [A1, B1, [bob, bobTablet], C1])],
        ['alice admin 1', 'bob member 2', 'carol member 1']
      ),
      good([by(bobTablet).leave()], ['alice admin 1', 'carol member 1'])
    ]
  },
  {
    title: 'a device leaves under the root of the line, though the user has another by now',
    steps: [
      groupOfThree,
      bad('not-in-roster', by(bobDesk).leave()),
      good([bobs.leave()], ['alice admin 1', 'carol member 1'])
    ]
  },
  {
    title: 'a device that a key knows as retired does not leave',
    attack: 'retired-device',
    steps: [
      groupOfTwoAdmins,
      good([bobs.key([at(bob, 3)], [A1, B1, C1])], ['alice admin 1', 'bob admin 3', 'carol member 1']),
      bad('not-in-roster', by(bobTablet).leave()),
      good([phone.key([at(bob, 4)], [A1, C1])], ['alice admin 1', 'bob admin 4', 'carol member 1']),
      bad('not-in-roster', bobs.leave()),
      bad('not-in-roster', by(bobDesk).leave()),
      good(
        [phone.renew(line(bob, 'admin', 2)), phone.key([], [A1, B_RESET, C1])],
        ['alice admin 1', 'bob admin 4 2', 'carol member 1']
      ),
      bad('not-in-roster', bobs.leave()),
      good([by(bobDesk).leave()], ['alice admin 1', 'carol member 1'])
    ]
  },
  {
    title: 'only devices of members leave, and no recovery device',
    attack: 'false-departure',
    steps: [
      group,
      bad('not-in-roster', by(malloryPhone).leave()),
      bad('not-in-roster', carols.leave()),
      good(
        [
          phone.role(line(bob, 'admin')),
          phone.key([at(alice, 4)], [A1, A2_REKEYED, [alice, aliceBackup], B1])
        ],
        ['alice admin 4', 'bob admin 1']
      ),
      bad('forbidden', by(aliceBackup).leave()),
      good([by(aliceTablet).leave()], ['bob admin 1'])
    ]
  },
  {
    title: 'nobody leaves a direct conversation, or one with oneself',
    attack: 'false-departure',
    steps: [direct, bad('forbidden', bobs.leave())]
  },
  {
    title: 'nobody leaves a conversation with oneself',
    attack: 'false-departure',
    steps: [self, bad('forbidden', phone.leave())]
  },
  {
    title: 'the last admin stays while others are in',
    attack: 'lock-out',
    steps: [
      groupOfThree,
      bad('last-admin', phone.leave()),
      bad('last-admin', phone.role(line(alice, 'member')), phone.key([], [A1, B1, C1])),
      bad('last-admin', phone.remove(alice), phone.key([], [B1, C1])),
      bad(
        'last-admin',
        phone.role(line(alice, 'member')),
        phone.role(line(bob, 'admin')),
        phone.key([], [A1, B1, C1])
      ),
      good(
        [phone.role(line(bob, 'admin')), phone.role(line(alice, 'member')), phone.key([], [A1, B1, C1])],
        ['alice member 1', 'bob admin 1', 'carol member 1']
      ),
      bad('last-admin', bobs.leave()),
      good([phone.leave()], ['bob admin 1', 'carol member 1'])
    ]
  },
  {
    title: 'an admin whose line is stale counts as an admin who stays',
    steps: [
      groupOfTwoAdmins,
      good([phone.key([at(bob, 4)], [A1, C1])], ['alice admin 1', 'bob admin 4', 'carol member 1']),
      good([phone.leave()], ['bob admin 4', 'carol member 1']),
      bad('not-admin', carols.remove(bob), carols.key([], [C1])),
      good([carols.key([], [C1])], ['bob admin 4', 'carol member 1']),
      good(
        [carols.renew(line(bob, 'admin', 2)), carols.key([], [B_RESET, C1])],
        ['bob admin 4 2', 'carol member 1']
      )
    ]
  },
  {
    title: 'a stale last admin is not removed, and does not leave',
    attack: 'lock-out',
    steps: [
      groupOfThree,
      good([bobs.key([at(alice, 6)], [B1, C1])], ['alice admin 6', 'bob member 1', 'carol member 1']),
      bad('not-in-roster', phone.leave()),
      bad('not-in-roster', by(aliceDesk).leave())
    ]
  },
  {
    title: 'an admin who is the only member may give the role up',
    steps: [
      group,
      good([bobs.leave()], ['alice admin 1']),
      good([phone.role(line(alice, 'member')), phone.key([], [A1])], ['alice member 1']),
      bad('not-admin', phone.add(line(carol, 'admin')), phone.key([at(carol, 1)], [A1, C1])),
      good([phone.leave()], [])
    ]
  },
  {
    title: 'a device that removes its own user makes no key',
    attack: 'ghost-device',
    steps: [groupOfTwoAdmins, bad('not-in-roster', bobs.remove(bob), bobs.key([], [A1, C1]))]
  }
]
