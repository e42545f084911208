import { linkNumber, linkText, type DeviceLink } from '../../../src/crypto/link-number.js'
import { alice, examples, fakeHash, tablet } from './actors.js'

const link: DeviceLink = {
  user: 'alice',
  root: alice.fingerprint,
  head: examples.deviceAdd.alice.hash,
  device: '0198c6f2-7b1e-7c55-9d2a-3f1f0c5a9e03',
  signingKey: tablet.fingerprint,
  encryptionKey: tablet.encryptionKey,
  kemKey: fakeHash('the KEM key of Alice’s tablet')
}

/** Each line of the text changes the number: a false world on either side is seen. */
const changes: [title: string, change: Partial<DeviceLink>][] = [
  ['as both screens should see it', {}],
  ['a device without a KEM key', { kemKey: '-' }],
  ['another user', { user: 'alicia' }],
  ['another root', { root: fakeHash('a root') }],
  ['a chain that has moved on', { head: fakeHash('a head') }],
  ['another device', { device: '0198c6f2-7b1e-7c55-9d2a-3f1f0c5a9e04' }],
  ['another signing key', { signingKey: fakeHash('a signing key') }],
  ['another encryption key', { encryptionKey: fakeHash('an encryption key') }],
  ['another KEM key', { kemKey: fakeHash('a KEM key') }]
]

const malformed: [title: string, change: Partial<DeviceLink>][] = [
  ['a name in upper case', { user: 'Alice' }],
  ['a line break in the name', { user: `alice\nroot ${alice.fingerprint}` }],
  ['a root in upper case', { root: alice.fingerprint.toUpperCase() }],
  ['no head', { head: '-' }],
  ['a device id in upper case', { device: link.device.toUpperCase() }],
  ['a short fingerprint', { signingKey: tablet.fingerprint.slice(1) }],
  ['no encryption key', { encryptionKey: '-' }],
  ['an empty KEM key', { kemKey: '' }]
]

export async function linkNumberVectors() {
  return {
    about: [
      'What the two screens show when a device is linked. link: what a screen knows; text: what stands behind the number,',
      'and in the QR code. Each number differs. refused: the code with which the link must be refused.'
    ],
    cases: [
      ...(await Promise.all(
        changes.map(async ([title, change]) => {
          const given = { ...link, ...change }
          return { title, link: given, text: linkText(given), number: await linkNumber(given) }
        })
      )),
      ...malformed.map(([title, change]) => ({
        title,
        link: { ...link, ...change },
        refused: 'bad-encoding'
      }))
    ]
  }
}
