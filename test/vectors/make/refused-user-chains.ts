import { fakeHash } from './actors.js'
import { add, backup, bobs, laptop, more, phone, rekey, reset, revoke, tablet } from './alices-devices.js'
import { refusedUserKeys } from './refused-user-keys.js'
import { refusedCases, stepsOf } from './user-steps.js'

const two = [add(phone), add(tablet, phone)]
const revoked = [...two, revoke(phone, tablet)]

const ghosts = refusedCases('ghost-device', [
  ['invalid-signature', 'a device that nobody approved', add(phone), add(laptop)],
  ['bad-signature', 'a device that somebody else’s device approved', add(phone), add(laptop, bobs)],
  ['bad-signature', 'a device that a revoked device approved', ...revoked, add(laptop, phone)],
  [
    'invalid-signature',
    'a device that did not sign itself',
    add(phone),
    { ...add(laptop), signers: [phone] }
  ],
  ['id-conflict', 'a revoked device that comes back', ...revoked, add(phone, tablet)],
  ['id-conflict', 'an active device for the second time', ...two, add(tablet, phone)],
  ['id-conflict', 'a device that a reset retired comes back', ...two, reset(laptop), add(tablet, laptop)],
  ['id-conflict', 'a reset by a device of the chain', ...two, reset(tablet)],
  [
    'key-in-use',
    'the signing key of a revoked device under another id',
    ...revoked,
    add({ ...phone, id: laptop.id }, tablet)
  ],
  [
    'key-in-use',
    'the signing key of an active device under another id',
    ...two,
    { ...add({ ...tablet, id: laptop.id }), signers: [tablet] }
  ],
  [
    'key-in-use',
    'a reset with the signing key of a revoked device',
    ...revoked,
    reset({ ...phone, id: laptop.id })
  ],
  ['too-many-devices', 'a seventeenth device', add(phone), ...more.map((one) => add(one, phone))]
])

const roots = refusedCases('second-root', [
  ['invalid-statement', 'a chain that begins with a reset', reset(phone)],
  ['bad-signature', 'a chain that begins with a revocation', revoke(phone, phone)],
  ['invalid-statement', 'a chain that begins with new keys', rekey(phone, 1)],
  [
    'invalid-statement',
    'a chain that begins with number 2',
    { ...add(phone), claimed: { sequence: 2, previous: fakeHash('a first statement') } }
  ],
  [
    'invalid-statement',
    'a chain that begins with a predecessor',
    { ...add(phone), claimed: { sequence: 1, previous: fakeHash('a statement before the first') } }
  ],
  [
    'invalid-statement',
    'a chain that begins with number 2 without a predecessor',
    { ...add(phone), claimed: { sequence: 2, previous: '-' } }
  ],
  ['bad-signature', 'a first device that another one approves', add(phone, tablet)],
  ['bad-signature', 'a first device that did not sign itself', { ...add(phone), signers: [tablet] }],
  [
    'stale-chain',
    'a second beginning',
    add(phone),
    { ...add(laptop), claimed: { sequence: 1, previous: '-' } }
  ],
  [
    'invalid-signature',
    'a reset that an old device confirms',
    add(phone),
    { ...reset(laptop), signers: [laptop, phone] }
  ],
  [
    'invalid-signature',
    'a reset that the new device did not sign',
    add(phone),
    { ...reset(laptop), signers: [phone] }
  ]
])

const purposes = refusedCases('silent-device', [
  ['invalid-statement', 'a chain that begins with a recovery device', add(backup)],
  ['invalid-statement', 'a reset by a recovery device', add(phone), reset(backup)],
  [
    'forbidden',
    'a recovery device that becomes a chat device',
    add(phone),
    add(backup, phone),
    rekey(backup, 2, { purpose: 'chat' })
  ],
  [
    'forbidden',
    'a chat device that becomes a recovery device',
    ...two,
    rekey(tablet, 2, { purpose: 'recovery' })
  ]
])

const forks = refusedCases('forked-chain', [
  [
    'stale-chain',
    'a statement that follows another history',
    add(phone),
    { ...add(tablet, phone), claimed: { sequence: 2, previous: fakeHash('another first statement') } }
  ],
  [
    'stale-chain',
    'a statement that leaves out another',
    add(phone),
    { ...add(tablet, phone), claimed: { sequence: 3, previous: fakeHash('a statement that is not shown') } }
  ],
  ['invalid-statement', 'a statement of another user', add(phone), stepsOf('bob').add(tablet, phone)]
])

const revocations = refusedCases('false-revocation', [
  [
    'device-not-found',
    'the revocation of a device that the chain does not have',
    ...two,
    revoke(laptop, phone)
  ],
  ['device-not-found', 'the revocation of a revoked device', ...revoked, revoke(phone, tablet)],
  ['bad-signature', 'a revocation by a revoked device', ...revoked, revoke(tablet, phone)],
  [
    'bad-signature',
    'a revocation by a revoked device beside an active one',
    ...two,
    add(laptop, phone),
    revoke(phone, tablet),
    revoke(laptop, tablet, phone)
  ],
  ['bad-signature', 'a revocation by somebody else', ...two, revoke(tablet, bobs)],
  [
    'bad-signature',
    'a revocation by a device that a reset retired',
    ...two,
    reset(laptop),
    revoke(laptop, phone)
  ]
])

export const refusedUserCases = [
  ...ghosts,
  ...roots,
  ...purposes,
  ...forks,
  ...revocations,
  ...refusedUserKeys
]
