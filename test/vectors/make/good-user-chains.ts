import {
  add,
  backup,
  laptop,
  more,
  phone,
  rekey,
  reset,
  revoke,
  tablet,
  withoutKem
} from './alices-devices.js'
import { newKeys, type UserCase } from './user-steps.js'

const two = [add(phone), add(tablet, phone)]

export const goodUserCases: UserCase[] = [
  {
    title: 'one device',
    steps: [add(phone)],
    then: { root: phone, devices: [phone], retired: [] }
  },
  {
    title: 'a first device, one more, new keys for it, and the first one revoked',
    steps: [...two, rekey(tablet, 2), revoke(phone, tablet)],
    then: { root: phone, devices: [[tablet, 2]], retired: [phone] }
  },
  {
    title: 'a device that is not the first approves another one',
    steps: [...two, add(laptop, tablet)],
    then: { root: phone, devices: [phone, tablet, laptop], retired: [] }
  },
  {
    title: 'a reset: a new root, and no other device',
    steps: [...two, reset(laptop)],
    then: { root: laptop, devices: [laptop], retired: [phone, tablet] }
  },
  {
    title: 'a device under a new root',
    steps: [add(phone), reset(laptop), add(tablet, laptop)],
    then: { root: laptop, devices: [laptop, tablet], retired: [phone] }
  },
  {
    title: 'a device revokes itself, and a reset follows the last one',
    steps: [add(phone), revoke(phone, phone), reset(laptop)],
    then: { root: laptop, devices: [laptop], retired: [phone] }
  },
  {
    title: 'no device is left',
    steps: [add(phone), revoke(phone, phone)],
    then: { root: phone, devices: [], retired: [phone] }
  },
  {
    title: 'two active devices sign a revocation',
    steps: [...two, add(laptop, phone), revoke(laptop, phone, tablet)],
    then: { root: phone, devices: [phone, tablet], retired: [laptop] }
  },
  {
    title: 'a recovery device approves a new device and revokes the lost one',
    steps: [add(phone), add(backup, phone), add(tablet, backup), revoke(phone, backup)],
    then: { root: phone, devices: [backup, tablet], retired: [phone] }
  },
  {
    title: 'a recovery device gets new keys',
    steps: [add(phone), add(backup, phone), rekey(backup, 2)],
    then: { root: phone, devices: [phone, [backup, 2]], retired: [] }
  },
  {
    title: 'a device without a KEM key stays without one',
    steps: [add(withoutKem), rekey(withoutKem, 2)],
    then: { root: withoutKem, devices: [[withoutKem, 2]], retired: [] }
  },
  {
    title: 'a device gets its first KEM key with its second encryption key',
    steps: [add(withoutKem), rekey(withoutKem, 2, newKeys(phone, 2))],
    then: {
      root: withoutKem,
      devices: [[withoutKem, 2, newKeys(phone, 2)]],
      retired: []
    }
  },
  {
    title: 'sixteen devices, and another one after a revocation',
    steps: [
      add(phone),
      ...more.slice(0, 15).map((one) => add(one, phone)),
      revoke(more[0]!, phone),
      add(more[15]!, phone)
    ],
    then: { root: phone, devices: [phone, ...more.slice(1)], retired: [more[0]!] }
  },
  {
    title: 'the last number for new keys',
    from: { sequence: 799 },
    steps: [rekey(phone, 2)],
    then: { root: phone, devices: [[phone, 2]], retired: [] }
  },
  {
    title: 'the last number for a new device',
    from: { sequence: 899 },
    steps: [add(tablet, phone)],
    then: { root: phone, devices: [phone, tablet], retired: [] }
  },
  {
    title: 'the last number for a reset, and a revocation after it',
    from: { sequence: 979 },
    steps: [reset(tablet), revoke(tablet, tablet)],
    then: { root: tablet, devices: [], retired: [phone, tablet] }
  },
  {
    title: 'the last statement of a chain',
    from: { sequence: 999, devices: [tablet] },
    steps: [revoke(tablet, phone)],
    then: { root: phone, devices: [phone], retired: [tablet] }
  }
]
