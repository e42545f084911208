import {
  alice,
  aliceBackup,
  aliceDesk,
  aliceTabletRekeyed,
  bob,
  bobTablet,
  carol,
  dave,
  davePhone,
  frank,
  frankCopy,
  frankDesk,
  frankPhone,
  mallory,
  malloryPhone
} from '../people.js'
import {
  A1,
  A2,
  A2_REKEYED,
  B1,
  B2,
  C1,
  D1,
  bobs,
  direct,
  group,
  groupOfThree,
  phone,
  self,
  tablet
} from './beginnings.js'
import { at, bad, by, good, line, type Case, type RosterLine } from './steps.js'

const F1: RosterLine = [frank, frankPhone]
const F2: RosterLine = [frank, frankCopy]
const AR: RosterLine = [alice, aliceBackup]
const daves = by(davePhone)

export const keyCases: Case[] = [
  {
    title: 'each member may make a key, at any time',
    steps: [
      group,
      good([bobs.key([], [A1, B1])], ['alice admin 1', 'bob member 1']),
      good([phone.key([], [A1, B1])], ['alice admin 1', 'bob member 1']),
      good([tablet.key([at(alice, 2)], [A1, A2, B1])], ['alice admin 2', 'bob member 1'])
    ]
  },
  {
    title: 'a key for new devices, new keys, and without a device that was revoked',
    steps: [
      group,
      good([bobs.key([at(alice, 2), at(bob, 2)], [A1, A2, B1, B2])], ['alice admin 2', 'bob member 2']),
      good([bobs.key([at(alice, 3)], [A1, A2_REKEYED, B1, B2])], ['alice admin 3', 'bob member 2']),
      good([tablet.key([at(alice, 5), at(bob, 3)], [A2_REKEYED, AR, B1])], ['alice admin 5', 'bob member 3'])
    ]
  },
  {
    title: 'keys of a direct conversation and of one with oneself',
    steps: [direct, good([bobs.key([at(bob, 2)], [A1, B1, B2])], ['alice member 1', 'bob member 2'])]
  },
  {
    title: 'keys of a conversation with oneself',
    steps: [self, good([tablet.key([at(alice, 2)], [A1, A2])], ['alice member 2'])]
  },
  {
    title: 'the maker of a key is in its roster',
    attack: 'ghost-device',
    steps: [
      group,
      bad('not-in-roster', by(malloryPhone).key([], [A1, B1])),
      bad('not-in-roster', tablet.key([], [A1, B1])),
      bad('not-in-roster', by(bobTablet).key([at(alice, 2)], [A1, A2, B1])),
      bad('not-in-roster', phone.key([at(alice, 5)], [A2_REKEYED, AR, B1])),
      bad('not-in-roster', by(aliceDesk).key([at(alice, 6)], [B1])),
      bad('forbidden', by(aliceBackup).key([at(alice, 4)], [A1, A2_REKEYED, AR, B1])),
      good([phone.key([at(alice, 4)], [A1, A2_REKEYED, AR, B1])], ['alice admin 4', 'bob member 1']),
      bad('forbidden', by(aliceBackup).key([], [A1, A2_REKEYED, AR, B1]))
    ]
  },
  {
    title: 'a device that a key knows as retired never signs again',
    attack: 'retired-device',
    steps: [
      group,
      good([by(bobTablet).key([at(bob, 2)], [A1, B1, B2])], ['alice admin 1', 'bob member 2']),
      good([phone.key([at(bob, 3)], [A1, B1])], ['alice admin 1', 'bob member 3']),
      bad('not-in-roster', by(bobTablet).key([], [A1, B1])),
      bad('invalid-statement', by(bobTablet).key([at(bob, 2)], [A1, B1, B2])),
      bad('not-in-roster', by(bobTablet).leave()),
      good([tablet.key([at(alice, 5)], [A2_REKEYED, AR, B1])], ['alice admin 5', 'bob member 3']),
      bad('not-in-roster', phone.key([], [A2_REKEYED, AR, B1])),
      bad('not-in-roster', phone.remove(bob), phone.key([], [A2_REKEYED, AR])),
      bad('invalid-statement', phone.remove(bob), phone.key([at(alice, 4)], [A1, A2_REKEYED, AR])),
      bad('not-in-roster', phone.leave())
    ]
  },
  {
    title: 'a roster has exactly the devices at the state',
    attack: 'wrong-roster',
    steps: [
      groupOfThree,
      bad('wrong-roster', phone.key([], [A1, B1])),
      bad('wrong-roster', phone.key([], [A1, B1, C1, [mallory, malloryPhone]])),
      bad('wrong-roster', phone.key([], [A1, B1, B2, C1])),
      bad('wrong-roster', phone.key([at(alice, 3)], [A1, A2, B1, C1])),
      bad(
        'wrong-roster',
        phone.key([at(alice, 3)], [A1, [alice, { ...aliceTabletRekeyed, kemKey: '-' }], B1, C1])
      ),
      bad('wrong-roster', phone.key([], [A1, [carol, B1[1]], C1])),
      bad('wrong-roster', phone.key([at(bob, 4)], [A1, B1, C1])),
      good(
        [phone.key([at(alice, 3)], [A1, A2_REKEYED, B1, C1])],
        ['alice admin 3', 'bob member 1', 'carol member 1']
      )
    ]
  },
  {
    title: 'a signing key that two members bind signs nothing',
    attack: 'two-faces',
    steps: [
      good(
        [
          phone.create('group', line(alice, 'admin'), line(dave, 'admin'), line(frank, 'admin')),
          phone.key([at(alice, 1), at(dave, 1), at(frank, 1)], [A1, D1, F1])
        ],
        ['alice admin 1', 'dave admin 1', 'frank admin 1']
      ),
      good([daves.key([], [A1, D1, F1])], ['alice admin 1', 'dave admin 1', 'frank admin 1']),
      bad('ambiguous-key', daves.key([at(frank, 2)], [A1, D1, F1, F2])),
      good([phone.key([at(frank, 2)], [A1, D1, F1, F2])], ['alice admin 1', 'dave admin 1', 'frank admin 2']),
      bad('ambiguous-key', daves.key([], [A1, D1, F1, F2])),
      bad('ambiguous-key', daves.timer(5), daves.key([], [A1, D1, F1, F2])),
      bad('ambiguous-key', daves.leave()),
      good([phone.remove(frank), phone.key([], [A1, D1])], ['alice admin 1', 'dave admin 1']),
      good([daves.key([], [A1, D1])], ['alice admin 1', 'dave admin 1'])
    ]
  },
  {
    title: 'a binding counts when its device is retired, and under an older root',
    attack: 'two-faces',
    steps: [
      good(
        [
          phone.create('group', line(alice, 'admin'), line(dave, 'member'), line(frank, 'member')),
          phone.key([at(alice, 1), at(dave, 1), at(frank, 2)], [A1, D1, F1, F2])
        ],
        ['alice admin 1', 'dave member 1', 'frank member 2']
      ),
      good(
        [phone.renew(line(frank, 'member', 2)), phone.key([at(frank, 3)], [A1, D1, [frank, frankDesk]])],
        ['alice admin 1', 'dave member 1', 'frank member 3 2']
      ),
      bad('ambiguous-key', daves.key([], [A1, D1, [frank, frankDesk]])),
      bad('ambiguous-key', daves.leave())
    ]
  },
  {
    title: 'a binding that no key knows takes nothing from one that a key knows',
    steps: [
      good(
        [
          phone.create('group', line(alice, 'admin'), line(dave, 'member'), line(frank, 'member')),
          phone.key([at(alice, 1), at(dave, 1), at(frank, 1)], [A1, D1, F1])
        ],
        ['alice admin 1', 'dave member 1', 'frank member 1']
      ),
      good([daves.leave()], ['alice admin 1', 'frank member 1']),
      good([phone.key([at(frank, 2)], [A1, F1, F2])], ['alice admin 1', 'frank member 2']),
      good([daves.key([], [A1, F1, F2])], ['alice admin 1', 'frank member 2'])
    ]
  }
]
