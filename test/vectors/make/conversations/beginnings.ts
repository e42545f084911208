import {
  alice,
  aliceDesk,
  alicePhone,
  aliceTablet,
  aliceTabletRekeyed,
  bob,
  bobDesk,
  bobLaptop,
  bobPhone,
  bobTablet,
  carol,
  carolDesk,
  carolPhone,
  dave,
  davePhone
} from '../people.js'
import { at, by, good, line, type RosterLine } from './steps.js'

export const A1: RosterLine = [alice, alicePhone]
export const A2: RosterLine = [alice, aliceTablet]
export const A2_REKEYED: RosterLine = [alice, aliceTabletRekeyed]
export const A_RESET: RosterLine = [alice, aliceDesk]
export const B1: RosterLine = [bob, bobPhone]
export const B2: RosterLine = [bob, bobTablet]
export const B_RESET: RosterLine = [bob, bobDesk]
export const B_RESET_AGAIN: RosterLine = [bob, bobLaptop]
export const C1: RosterLine = [carol, carolPhone]
export const C_RESET: RosterLine = [carol, carolDesk]
export const D1: RosterLine = [dave, davePhone]

export const phone = by(alicePhone)
export const tablet = by(aliceTablet)
export const bobs = by(bobPhone)
export const carols = by(carolPhone)

/** Alice is the admin of a group with Bob. */
export const group = good(
  [
    phone.create('group', line(alice, 'admin'), line(bob, 'member')),
    phone.key([at(alice, 1), at(bob, 1)], [A1, B1])
  ],
  ['alice admin 1', 'bob member 1']
)

/** Carol is in, too. */
export const groupOfThree = good(
  [
    phone.create('group', line(alice, 'admin'), line(bob, 'member'), line(carol, 'member')),
    phone.key([at(alice, 1), at(bob, 1), at(carol, 1)], [A1, B1, C1])
  ],
  ['alice admin 1', 'bob member 1', 'carol member 1']
)

/** Alice and Bob are admins, and Carol is in. */
export const groupOfTwoAdmins = good(
  [
    phone.create('group', line(alice, 'admin'), line(bob, 'admin'), line(carol, 'member')),
    phone.key([at(alice, 1), at(bob, 1), at(carol, 1)], [A1, B1, C1])
  ],
  ['alice admin 1', 'bob admin 1', 'carol member 1']
)

export const direct = good(
  [
    phone.create('direct', line(alice, 'member'), line(bob, 'member')),
    phone.key([at(alice, 1), at(bob, 1)], [A1, B1])
  ],
  ['alice member 1', 'bob member 1']
)

export const self = good(
  [phone.create('self', line(alice, 'member')), phone.key([at(alice, 1)], [A1])],
  ['alice member 1']
)
