import { add, laptop, phone, rekey, reset, revoke, tablet, withoutKem } from './alices-devices.js'
import { newKeys, refusedCases, type UserCase } from './user-steps.js'

const two = [add(phone), add(tablet, phone)]
const revoked = [...two, revoke(phone, tablet)]

const keys = refusedCases('swapped-key', [
  [
    'forbidden',
    'a key version that goes back',
    ...two,
    rekey(tablet, 2),
    rekey(tablet, 1, newKeys(tablet, 3))
  ],
  ['forbidden', 'a key version that skips one', ...two, rekey(tablet, 3)],
  [
    'invalid-statement',
    'a new device with a later key version',
    add(phone),
    add(tablet, phone, { encryptionVersion: 2 })
  ],
  [
    'invalid-statement',
    'a reset with a later key version',
    add(phone),
    reset(laptop, { encryptionVersion: 2 })
  ],
  [
    'invalid-signature',
    'new keys that another device signed',
    ...two,
    { ...rekey(tablet, 2), signers: [phone] }
  ],
  [
    'invalid-signature',
    'new keys that another device signed, too',
    ...two,
    { ...rekey(tablet, 2), signers: [tablet, phone] }
  ],
  [
    'forbidden',
    'new keys under another signing key',
    ...two,
    { ...rekey(tablet, 2, { signingKey: laptop.fingerprint }), signers: [laptop] }
  ],
  ['device-not-found', 'new keys of a device that the chain does not have', ...two, rekey(laptop, 2)],
  ['device-not-found', 'new keys of a revoked device', ...revoked, rekey(phone, 2)],
  ['forbidden', 'the same encryption key', ...two, rekey(tablet, 2, { encryptionKey: tablet.encryptionKey })],
  ['forbidden', 'the same KEM key', ...two, rekey(tablet, 2, { kemKey: tablet.kemKey })],
  ['forbidden', 'a KEM key that goes away', ...two, rekey(tablet, 2, { kemKey: '-' })],
  [
    'key-in-use',
    'an earlier encryption key of the device',
    ...two,
    rekey(tablet, 2),
    rekey(tablet, 3, { encryptionKey: tablet.encryptionKey })
  ],
  [
    'key-in-use',
    'an earlier KEM key of the device',
    ...two,
    rekey(tablet, 2),
    rekey(tablet, 3, { kemKey: tablet.kemKey })
  ],
  [
    'key-in-use',
    'the encryption key of another device',
    ...two,
    rekey(tablet, 2, { encryptionKey: phone.encryptionKey })
  ],
  [
    'key-in-use',
    'a new device with the encryption key of a revoked one',
    ...revoked,
    add(laptop, tablet, { encryptionKey: phone.encryptionKey })
  ],
  [
    'key-in-use',
    'a new device with the KEM key of another',
    add(phone),
    add(tablet, phone, { kemKey: phone.kemKey })
  ],
  [
    'key-in-use',
    'a reset with an encryption key of the chain',
    add(withoutKem),
    reset(laptop, { encryptionKey: withoutKem.encryptionKey })
  ]
])

const full: UserCase[] = [
  ['new keys above number 800', 800, rekey(phone, 2)] as const,
  ['a new device above number 900', 900, add(tablet, phone)] as const,
  ['a reset above number 980', 980, reset(tablet)] as const,
  ['a statement above number 1000', 1000, revoke(phone, phone)] as const
].map(([title, sequence, step]) => ({
  title,
  from: { sequence },
  steps: [step],
  attack: 'endless-chain',
  refused: 'too-many-statements'
}))

export const refusedUserKeys = [...keys, ...full]
