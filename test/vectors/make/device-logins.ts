import { decodeBase64, decodeHex, encodeBase64 } from '../../../src/crypto/encoding.js'
import { sign } from '../../../src/crypto/keys.js'
import { encodePem } from '../../../src/crypto/pem.js'
import { statementText } from '../../../src/protocol/statement-texts.js'
import type { Statement } from '../../../src/protocol/statements.js'
import { alice, counting, fakeHash, malleable, tablet } from './actors.js'

type Login = Omit<Statement<'device-login'>, 'kind'>

const nonce = encodeBase64(counting(0)(54))
const login: Login = {
  server: 'https://chat.example.org',
  user: 'alice',
  device: '0198c6f2-7b1e-7c55-9d2a-3f1f0c5a9e01',
  nonce,
  by: alice.fingerprint
}
const textOf = (change: Partial<Login> = {}) => statementText({ kind: 'device-login', ...login, ...change })
const signature = await sign(alice.privateKey, textOf())

/** The neutral element, as a key: R = B and S = 1 is a signature of any text for whoever does not refuse the key. */
const smallOrder = encodePem(decodeHex(`302a300506032b6570032100${'01'.padEnd(64, '0')}`))
const byNobody = encodeBase64(decodeHex(`58${'66'.repeat(31)}${'01'.padEnd(64, '0')}`))

const good: [title: string, change: Partial<Login>][] = [
  ['the worked example', {}],
  ['a server on a port, without TLS', { server: 'http://127.0.0.1:3000' }],
  ['a server with an IPv6 address', { server: 'https://[2001:db8::1]:8443' }]
]

/** What the server knows of the sign-in, and what was signed in its place. */
const others: [title: string, attack: string, signed: Partial<Login>][] = [
  [
    'signed for another server',
    'a server that passes on challenges signs in elsewhere',
    { server: 'https://evil.example' }
  ],
  [
    'signed for another port',
    'another server on the machine signs in here',
    { server: 'https://chat.example.org:8443' }
  ],
  ['signed without TLS', 'whoever takes off TLS signs in', { server: 'http://chat.example.org' }],
  [
    'signed for another device',
    'one device signs in as another',
    { device: '0198c6f2-7b1e-7c55-9d2a-3f1f0c5a9e03' }
  ],
  ['signed for another user', 'one user signs in as another', { user: 'bob' }],
  ['signed for an earlier nonce', 'a signature counts twice', { nonce: encodeBase64(counting(1)(54)) }],
  ['signed in the name of another key', 'a signature counts for two keys', { by: tablet.fingerprint }]
]

const malformed: [title: string, change: Partial<Login>][] = [
  ['a server in upper case', { server: 'https://Chat.example.org' }],
  ['a server with a path', { server: 'https://chat.example.org/' }],
  ['a server with another scheme', { server: 'wss://chat.example.org' }],
  ['a line break in the server', { server: `https://chat.example.org\nuser bob` }],
  ['a name in upper case', { user: 'Alice' }],
  ['a device id in upper case', { device: login.device.toUpperCase() }],
  ['a short nonce', { nonce: nonce.slice(4) }],
  ['a line break in the nonce', { nonce: `${nonce}\nby ${fakeHash('another key')}` }],
  ['a short fingerprint', { by: alice.fingerprint.slice(1) }]
]

export async function deviceLoginVectors() {
  const { publicKey: signingKey } = alice
  const forged = async ([title, attack, change]: (typeof others)[number]) => {
    const signature = await sign(alice.privateKey, textOf(change))
    return { title, attack, login, signingKey, signature, refused: 'bad-signature' }
  }
  const case_ = { login, signingKey }
  return {
    about: [
      'A device signs in with its key. login: what the server knows; text: what the device signs; signingKey: its public key.',
      'refused: the code with which the sign-in must be refused; a malformed one must not be signed.'
    ],
    cases: [
      ...(await Promise.all(
        good.map(async ([title, change]) => {
          const text = textOf(change)
          const signature = await sign(alice.privateKey, text)
          return { title, login: { ...login, ...change }, text, signingKey, signature }
        })
      )),
      ...(await Promise.all(others.map(forged))),
      {
        title: 'by another key',
        attack: 'any device of the user signs in as any other',
        ...case_,
        signature: await sign(tablet.privateKey, textOf()),
        refused: 'bad-signature'
      },
      {
        title: 'the same signature with S + L',
        attack: 'one signature has two forms',
        ...case_,
        signature: malleable(signature),
        refused: 'bad-signature'
      },
      {
        title: 'a cut signature',
        attack: 'half a signature counts',
        ...case_,
        signature: encodeBase64(decodeBase64(signature).subarray(0, 32)),
        refused: 'bad-signature'
      },
      {
        title: 'a key of small order',
        attack: 'anybody signs for such a key',
        login,
        signingKey: smallOrder,
        signature: byNobody,
        refused: 'bad-key'
      },
      ...malformed.map(([title, change]) => ({
        title,
        login: { ...login, ...change },
        refused: 'invalid-statement'
      }))
    ]
  }
}
