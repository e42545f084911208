import {
  alice,
  aliceBackup,
  aliceDesk,
  bob,
  bobDesk,
  carol,
  dave,
  erin,
  mallory,
  malloryPhone
} from '../people.js'
import {
  A1,
  A2,
  A2_REKEYED,
  A_RESET,
  B1,
  B_RESET,
  C1,
  D1,
  bobs,
  direct,
  group,
  phone,
  self,
  tablet
} from './beginnings.js'
import { at, bad, by, good, line, type Case } from './steps.js'

const twoLines = [line(alice, 'member'), line(bob, 'member')]
const twoStates = [at(alice, 1), at(bob, 1)]

export const creationCases: Case[] = [
  { title: 'a group', steps: [group] },
  { title: 'a direct conversation', steps: [direct] },
  { title: 'a conversation with oneself', steps: [self] },
  {
    title: 'a group of one',
    steps: [
      good([phone.create('group', line(alice, 'admin')), phone.key([at(alice, 1)], [A1])], ['alice admin 1'])
    ]
  },
  {
    title: 'a group by a device that was approved, with one that has new keys',
    steps: [
      good(
        [
          tablet.create('group', line(alice, 'admin'), line(bob, 'admin')),
          tablet.key([at(alice, 3), at(bob, 1)], [A1, A2_REKEYED, B1])
        ],
        ['alice admin 3', 'bob admin 1']
      )
    ]
  },
  {
    title: 'a recovery device is in the roster',
    steps: [
      good(
        [
          phone.create('self', line(alice, 'member')),
          phone.key([at(alice, 4)], [A1, A2_REKEYED, [alice, aliceBackup]])
        ],
        ['alice member 4']
      )
    ]
  },
  {
    title: 'members with a device without a KEM key, and without any device',
    steps: [
      good(
        [
          phone.create('group', line(alice, 'admin'), line(dave, 'member'), line(erin, 'member')),
          phone.key([at(alice, 1), at(dave, 1), at(erin, 2)], [A1, D1])
        ],
        ['alice admin 1', 'dave member 1', 'erin member 2']
      )
    ]
  },
  {
    title: 'a group under roots that are not the first',
    steps: [
      good(
        [
          by(aliceDesk).create('group', line(alice, 'admin', 2), line(bob, 'member', 2)),
          by(aliceDesk).key([at(alice, 6), at(bob, 4)], [A_RESET, B_RESET])
        ],
        ['alice admin 6 2', 'bob member 4 2']
      )
    ]
  },
  {
    title: 'a creation with changes behind it',
    steps: [
      good(
        [
          phone.create('group', line(alice, 'admin')),
          phone.add(line(bob, 'member')),
          phone.timer(3600),
          phone.key(twoStates, [A1, B1])
        ],
        ['alice admin 1', 'bob member 1'],
        3600
      )
    ]
  },
  {
    title: 'a group whose creator is not a member',
    attack: 'forged-group',
    steps: [
      bad(
        'forbidden',
        by(malloryPhone).create('group', line(alice, 'admin'), line(mallory, 'member')),
        by(malloryPhone).key([at(alice, 1), at(mallory, 1)], [A1, [mallory, malloryPhone]])
      ),
      bad(
        'not-in-roster',
        by(malloryPhone).create('group', line(alice, 'admin'), line(bob, 'member')),
        by(malloryPhone).key(twoStates, [A1, B1])
      ),
      bad(
        'forbidden',
        bobs.create('direct', line(alice, 'member'), line(carol, 'member')),
        bobs.key([at(alice, 1), at(bob, 1), at(carol, 1)], [A1, B1, C1])
      ),
      bad('not-in-roster', bobs.create('self', line(alice, 'member')), bobs.key([at(alice, 1)], [A1]))
    ]
  },
  {
    title: 'a direct conversation and one with oneself have no admin and no other size',
    attack: 'hidden-member',
    steps: [
      bad(
        'invalid-statement',
        phone.create('direct', line(alice, 'admin'), line(bob, 'member')),
        phone.key(twoStates, [A1, B1])
      ),
      bad(
        'invalid-statement',
        phone.create('direct', line(alice, 'member')),
        phone.key([at(alice, 1)], [A1])
      ),
      bad(
        'invalid-statement',
        phone.create('direct', ...twoLines, line(carol, 'member')),
        phone.key([...twoStates, at(carol, 1)], [A1, B1, C1])
      ),
      bad('invalid-statement', phone.create('self', ...twoLines), phone.key(twoStates, [A1, B1])),
      bad('invalid-statement', phone.create('self', line(alice, 'admin')), phone.key([at(alice, 1)], [A1]))
    ]
  },
  {
    title: 'a creation names roots that are not those of the state',
    attack: 'second-root',
    steps: [
      bad(
        'root-changed',
        phone.create('group', line(alice, 'admin'), line(bob, 'member', 2)),
        phone.key(twoStates, [A1, B1])
      ),
      bad(
        'root-changed',
        phone.create('group', line(alice, 'admin'), line(bob, 'member')),
        phone.key([at(alice, 1), at(bob, 4)], [A1])
      ),
      bad(
        'root-changed',
        phone.create('direct', line(alice, 'member'), {
          ...line(bob, 'member'),
          root: malloryPhone.fingerprint
        }),
        phone.key(twoStates, [A1, B1])
      ),
      bad(
        'root-changed',
        by(bobDesk).create('direct', ...twoLines),
        by(bobDesk).key([at(alice, 1), at(bob, 4)], [A1, B_RESET])
      )
    ]
  },
  {
    title: 'a chain begins with its creation, which comes once',
    attack: 'second-beginning',
    steps: [
      bad('invalid-statement', phone.add(line(bob, 'member')), phone.key(twoStates, [A1, B1])),
      bad('invalid-statement', phone.key([at(alice, 1)], [A1])),
      bad('invalid-statement', phone.leave()),
      bad(
        'invalid-statement',
        phone.create('group', line(alice, 'admin')),
        phone.create('group', line(alice, 'admin'), line(bob, 'member')),
        phone.key(twoStates, [A1, B1])
      ),
      group,
      bad('invalid-statement', phone.create('group', line(alice, 'admin')), phone.key([], [A1])),
      bad(
        'stale-chain',
        { ...phone.create('group', line(alice, 'admin')), claimed: { sequence: 1, previous: '-' } },
        phone.key([], [A1])
      )
    ]
  },
  {
    title: 'a device that is not active at the state creates nothing',
    attack: 'ghost-device',
    steps: [
      bad('not-in-roster', tablet.create('self', line(alice, 'member')), tablet.key([at(alice, 1)], [A1])),
      bad(
        'not-in-roster',
        phone.create('self', line(alice, 'member')),
        phone.key([at(alice, 5)], [A2_REKEYED, [alice, aliceBackup]])
      ),
      bad(
        'forbidden',
        by(aliceBackup).create('self', line(alice, 'member')),
        by(aliceBackup).key([at(alice, 4)], [A1, A2_REKEYED, [alice, aliceBackup]])
      ),
      bad(
        'root-changed',
        by(aliceDesk).create('self', line(alice, 'member')),
        by(aliceDesk).key([at(alice, 6)], [A_RESET])
      ),
      good(
        [phone.create('self', line(alice, 'member')), phone.key([at(alice, 2)], [A1, A2])],
        ['alice member 2']
      )
    ]
  }
]
