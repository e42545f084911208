import { randomBytes } from 'node:crypto'
import t from 'tap'
import { cheapKeys, startTarget } from '../../../support/bad-input.js'
import { cheapKem, cheapRsa } from '../../../support/cheap-keys.js'
import { currentUser, readChain, wrapFor, type Liberties } from '../../../support/chain-requests.js'
import { found, newKey } from '../../../support/conversations.js'
import type { InteropClient } from '../../../support/interop/client.js'
import { expect } from '../../../support/interop/http.js'
import { sha256Hex } from '../../../support/interop/crypto.js'

const target = await startTarget(t)
const [alice, bob, carol] = [await target.user('alice'), await target.user('bob'), await target.user('carol')]
const id = await found(alice, 'group', [bob, carol])
const stale = '409 stale-roster'

t.test('A session key covers exactly the devices of the members', async (t) => {
  const mallory = await target.user('mallory')
  const wrap = (await currentUser(alice, 'mallory')).devices.map(wrapFor)
  const { head } = await readChain(alice, id)
  const make = (liberties: Liberties) => newKey(alice, id, liberties)
  const difference = (missing: string[], unexpected: string[]) => ({ head, state: [], missing, unexpected })
  await target.refuses(t, [
    [
      'a device left out',
      stale,
      () => make({ wraps: (all) => all.filter(({ deviceId }) => deviceId !== bob.deviceId) }),
      difference([bob.deviceId], [])
    ],
    [
      'a stranger’s device too',
      stale,
      () => make({ wraps: (all) => [...all, ...wrap] }),
      difference([], [mallory.deviceId])
    ],
    [
      'a stranger’s device for a member’s',
      stale,
      () => make({ wraps: (all) => [...all.filter(({ deviceId }) => deviceId !== bob.deviceId), ...wrap] }),
      difference([bob.deviceId], [mallory.deviceId])
    ],
    [
      'another roster in the statement',
      stale,
      () => make({ keyText: (text) => text.replace(/roster .*/, `roster ${sha256Hex('x')}`) }),
      difference([], [])
    ],
    [
      'two wraps for one device',
      '400 invalid-request',
      () => make({ wraps: (all) => [...all, all[0]!] }),
      /two wraps/
    ],
    ['no wraps', '400 invalid-request', () => make({ wraps: () => [] })],
    [
      'a state that has not changed',
      '400 invalid-statement',
      async () => {
        const { sequence, head: now } = await currentUser(alice, 'bob')
        return make({
          keyText: (text) => text.replace('\nroster', `\nstate bob ${sequence} ${now}\nroster`)
        })
      }
    ]
  ])
})

t.test('A wrap has the size that the device’s keys ask for', async (t) => {
  const dora = await target.device('dora', {
    keys: cheapKeys({ encryptionKey: cheapRsa(3072), kemKey: cheapKem() })
  })
  expect(await dora.register(), 201)
  const with_ = await found(alice, 'group', [dora])
  const sized = (of: InteropClient, bytes: number) =>
    newKey(alice, with_, {
      wraps: (all) =>
        all.map((wrap) =>
          wrap.deviceId === of.deviceId
            ? { ...wrap, wrappedKey: randomBytes(bytes).toString('base64') }
            : wrap
        )
    })
  const invalid = '400 invalid-request'
  await target.refuses(t, [
    ...[255, 257, 384, 512].map(
      (bytes) => [`${bytes} bytes for an RSA key of 2048 bits`, invalid, () => sized(alice, bytes)] as const
    ),
    ...[384, 1088 + 384, 1088 + 256 + 48, 1088 + 384 + 47].map(
      (bytes) =>
        [
          `${bytes} bytes for a KEM key and an RSA key of 3072 bits`,
          invalid,
          () => sized(dora, bytes)
        ] as const
    )
  ])
  expect(await sized(dora, 1088 + 384 + 48), 201)
})
