import { createPublicKey, generateKeyPairSync, randomBytes, randomUUID, type KeyObject } from 'node:crypto'
import t from 'tap'
import { cheapKeys, malformed, startTarget, type Case } from '../../support/bad-input.js'
import { cheapKem, cheapRsa } from '../../support/cheap-keys.js'
import { signed, statementText, type Statement } from '../../support/interop/chains.js'
import { kemFp, sha256Hex, sign, type DeviceKeys } from '../../support/interop/crypto.js'
import { expect } from '../../support/interop/http.js'
import type { InteropClient } from '../../support/interop/client.js'

const target = await startTarget(t, { MAX_DEVICES: '3' })
const { refuses } = target
const alice = await target.user('alice')
const bob = await target.user('bob')

const invalid = '400 invalid-request'
const badKey = '400 invalid-key'
const badStatement = '400 invalid-statement'
const badSignature = '400 invalid-signature'

/** What a statement about a device says, by the names of its lines. */
interface Lines {
  user: string
  sequence: number
  previous: string
  device: string
  purpose: string
  'signing-key': string
  'encryption-key': string
  'kem-key': string
  'encryption-version': number
}

/** The next statement of a user's chain, about a device. */
async function next(
  of: InteropClient,
  kind: string,
  about: { device: string; keys: DeviceKeys; version?: number },
  changed: Partial<Lines> = {}
): Promise<string> {
  const { sequence, head } = await of.user(of.username)
  const lines = {
    user: of.username,
    sequence: sequence + 1,
    previous: head,
    device: about.device,
    purpose: 'chat',
    'signing-key': about.keys.signingFp,
    'encryption-key': about.keys.encryptionFp,
    'kem-key': kemFp(about.keys),
    'encryption-version': about.version ?? 1,
    ...changed
  }
  const names = kind === 'device-revoke' ? ['user', 'sequence', 'previous', 'device'] : Object.keys(lines)
  return statementText(
    kind,
    names.map((name) => [name, lines[name as keyof Lines]])
  )
}

/** Devices that ask Alice for approval. */
const waiting: InteropClient[] = []

/** Alice's phone, which her first device is to approve. */
const phone = { device: randomUUID(), keys: cheapKeys() }
const adding = (changed?: Partial<Lines>) => next(alice, 'device-add', phone, changed)
const resetting = (changed?: Partial<Lines>) => next(alice, 'device-reset', phone, changed)
const approved = (text: string) => signed(text, phone.keys, alice.keys)

async function add(changed: Record<string, unknown> = {}, by: InteropClient = alice) {
  const { signingKey, encryptionKey } = phone.keys
  const statement = 'statement' in changed ? changed['statement'] : approved(await adding())
  const body = { id: phone.device, name: 'phone', signingKey, encryptionKey, ...changed, statement }
  return by.raw('POST', '/v1/devices', { body })
}
const addText = (text: string) => add({ statement: approved(text) })
const addSigned = (statement: Statement) => add({ statement })
const rekey = (statement: Statement, encryptionKey: string, by: InteropClient = alice, of = alice.deviceId) =>
  by.raw('PUT', `/v1/devices/${of}/encryption-key`, { body: { encryptionKey, statement } })
const revoke = (statement: Statement, of: string, by: InteropClient = alice) =>
  by.raw('POST', `/v1/devices/${of}/revocation`, { body: { statement } })
const approve = (statement: Statement, of: string, by: InteropClient = alice) =>
  by.raw('POST', `/v1/devices/${of}/approval`, { body: { statement } })

const publicPem = (key: KeyObject) => key.export({ type: 'spki', format: 'pem' }).toString()
const privatePem = (key: KeyObject) => key.export({ type: 'pkcs8', format: 'pem' }).toString()

const CERTIFICATE = `-----BEGIN CERTIFICATE-----
MIIBLjCB4aADAgECAhQN+tPik4MOfxjvw+jCQC7WyW3/ijAFBgMrZXAwDDEKMAgG
A1UEAwwBeDAgFw0yNjExMjIxOTU1MjhaGA8yMTI2MTAyOTE5NTUyOFowDDEKMAgG
A1UEAwwBeDAqMAUGAytlcAMhANbKO9i9tr2BeQEg8FH7NewHmJ0qfCtXNa5SdatV
iVUwo1MwUTAdBgNVHQ4EFgQUPyPATbgc/FPbtuLaYIcGXGbKXW4wHwYDVR0jBBgw
FoAUPyPATbgc/FPbtuLaYIcGXGbKXW4wDwYDVR0TAQH/BAUwAwEB/zAFBgMrZXAD
QQAE0j+HxPRld4/ORZnd0K6jUpHq6Y2zwenivGz7zXwD+89ISdLAq5gNh4CtToJ1
24lrXSxcJlqy0x02QQ5z/8YE
-----END CERTIFICATE-----
`

/** Ways to get the PEM of a key wrong, whatever the key. */
function badPem(good: string): [wrong: string, pem: string][] {
  const body = good.split('\n').slice(1, -2).join('')
  return [
    ['twice', good + good],
    ['with garbage behind it', `${good}garbage`],
    ['with a NUL behind it', `${good}\0`],
    ['with garbage before it', `garbage\n${good}`],
    ['with an empty line before it', `\n${good}`],
    ['cut short', `${good.slice(0, 60)}\n-----END PUBLIC KEY-----\n`],
    ['without its last line', good.split('\n').slice(0, -2).join('\n')],
    ['without its first line', good.split('\n').slice(1).join('\n')],
    ['of nothing', '-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\n'],
    ['with a letter that is no base64', good.replace(body[8]!, '!')],
    ['with bytes behind the key', pemOf(Buffer.concat([Buffer.from(body, 'base64'), Buffer.from([0])]))],
    ['in one long line', `-----BEGIN PUBLIC KEY-----\n${body}=\n-----END PUBLIC KEY-----\n`],
    ['with a header', good.replace('-----\n', '-----\nComment: hello\n\n')],
    ['as bare base64', body],
    ['of a certificate', CERTIFICATE],
    ['that is no PEM', 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI me@example']
  ]
}

function pemOf(der: Buffer): string {
  const lines = der.toString('base64').match(/.{1,64}/g)!
  return `-----BEGIN PUBLIC KEY-----\n${lines.join('\n')}\n-----END PUBLIC KEY-----\n`
}

t.test('A signing key is the SPKI PEM of one Ed25519 public key', async (t) => {
  const { signingKey, signingPrivate, encryptionKey } = phone.keys
  const point = (hex: string) => pemOf(Buffer.from(`302a300506032b6570032100${hex}`, 'hex'))
  const keys: [string, unknown][] = [
    ...badPem(signingKey),
    ['of its private half', privatePem(signingPrivate)],
    ['of its private half under a false name', privatePem(signingPrivate).replaceAll('PRIVATE', 'PUBLIC')],
    ['of an X25519 key', publicPem(generateKeyPairSync('x25519').publicKey)],
    ['of an Ed448 key', publicPem(generateKeyPairSync('ed448').publicKey)],
    ['of a P-256 key', publicPem(generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey)],
    ['of an RSA key', encryptionKey],
    ['of the point 1, under which any signature holds', point(`01${'00'.repeat(31)}`)],
    ['of the point 0', point('00'.repeat(32))],
    ['of the point 0 with its sign set', point(`${'00'.repeat(31)}80`)]
  ]
  await refuses(t, [
    ...keys.map(([wrong, pem]): Case => [
      `a PEM ${wrong}`,
      badKey,
      () => add({ signingKey: pem }),
      /signingKey/
    ]),
    ['an empty PEM', invalid, () => add({ signingKey: '' })],
    ['a PEM of 2,049 characters', invalid, () => add({ signingKey: 'x'.repeat(2049) })],
    ['a PEM that is a number', invalid, () => add({ signingKey: 1 })],
    ['a JWK', invalid, () => add({ signingKey: { kty: 'OKP', crv: 'Ed25519', x: '' } })],
    [
      'a key that the statement does not name',
      badStatement,
      () => add({ signingKey: cheapKeys().signingKey }),
      /signing-key/
    ]
  ])
})

t.test('An encryption key is the SPKI PEM of one RSA public key, of 2048 bits and more', async (t) => {
  const { encryptionKey, signingKey } = phone.keys
  const pss = generateKeyPairSync('rsa-pss', { modulusLength: 2048 }).publicKey
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const odd = (change: (modulus: Buffer) => void) => {
    const modulus = randomBytes(256)
    modulus[0]! |= 0x80
    change(modulus)
    const key = { kty: 'RSA', n: modulus.toString('base64url'), e: 'AQAB' }
    return publicPem(createPublicKey({ key, format: 'jwk' }))
  }
  const keys: [string, string][] = [
    ...badPem(encryptionKey),
    ['of a private key', privatePem(rsa.privateKey)],
    ['of PKCS#1', rsa.publicKey.export({ type: 'pkcs1', format: 'pem' }).toString()],
    ['of 1024 bits', cheapRsa(1024)],
    ['of 1536 bits', cheapRsa(1536)],
    ['of 2047 bits', odd((modulus) => (modulus[0] = 0x7f))],
    ['of 2056 bits', cheapRsa(2056)],
    ['of 8192 bits', cheapRsa(8192)],
    ['of the exponent 1', cheapRsa(2048, 'AQ')],
    ['of the exponent 3', cheapRsa(2048, 'Aw')],
    ['of the exponent 65539', cheapRsa(2048, 'AQAD')],
    ['of an even modulus', odd((modulus) => (modulus[255]! &= 0xfe))],
    ['of an RSA-PSS key', publicPem(pss)],
    ['of an Ed25519 key', signingKey]
  ]
  const text = await next(alice, 'device-rekey', { device: alice.deviceId, keys: alice.keys, version: 2 })
  await refuses(t, [
    ...keys.flatMap(([wrong, pem]): Case[] => [
      [`a new device with a PEM ${wrong}`, badKey, () => add({ encryptionKey: pem }), /encryptionKey/],
      [`another key with a PEM ${wrong}`, badKey, () => rekey(signed(text, alice.keys), pem), /encryptionKey/]
    ]),
    ['an empty PEM', invalid, () => add({ encryptionKey: '' })],
    ['a PEM that is null', invalid, () => add({ encryptionKey: null })],
    [
      'a key that the statement does not name',
      badStatement,
      () => add({ encryptionKey: cheapRsa() }),
      /encryption-key/
    ]
  ])
})

/** The base64 of a KEM key with some of its bytes changed. */
function badKem(change: (key: Buffer) => Buffer | void): string {
  const key = Buffer.from(cheapKem(), 'base64')
  return (change(key) ?? key).toString('base64')
}

t.test('A KEM key is a raw ML-KEM-768 public key, and comes exactly if the statement names it', async (t) => {
  const keys: [string, string, string][] = [
    ['of 1,183 bytes', badKey, badKem((key) => key.subarray(1))],
    ['of 1,185 bytes', badKey, badKem((key) => Buffer.concat([key, Buffer.of(0)]))],
    ['of 1,182 bytes', invalid, badKem((key) => key.subarray(2))],
    ['of 1,182 bytes, in as many characters', invalid, `${badKem((key) => key.subarray(2))}====`],
    ['with a first coefficient of 3,329', badKey, badKem((key) => void key.writeUIntLE(3329, 0, 3))],
    ['with a last coefficient of 3,329', badKey, badKem((key) => void key.writeUIntLE(3329 << 12, 1149, 3))],
    ['with a coefficient of 4,095', badKey, badKem((key) => void key.fill(0xff, 600, 603))],
    ['of ones', badKey, Buffer.alloc(1184, 0xff).toString('base64')],
    ['in the alphabet for URLs', invalid, cheapKem().replace(/.{4}/, '-_-_')],
    ['that is empty', invalid, ''],
    ['that is text', invalid, '!'.repeat(1580)]
  ]
  const named = async (kemKey: string) => {
    const bytes = Buffer.from(kemKey, 'base64')
    return add({ kemKey, statement: approved(await adding({ 'kem-key': sha256Hex(bytes) })) })
  }
  const kemKey = cheapKem()
  const hash = kemFp(cheapKeys({ kemKey }))
  const renewed = cheapKeys({ signing: alice.keys.signingPrivate, kemKey })
  const about = { device: alice.deviceId, keys: renewed, version: 2 }
  const rekeying = signed(await next(alice, 'device-rekey', about), alice.keys)
  await refuses(t, [
    ...keys.map(([wrong, refusal, key]): Case => [
      `a key ${wrong}`,
      refusal as Case[1],
      () => named(key),
      refusal === badKey ? /1,184 bytes/ : /kemKey/
    ]),
    ['a key that is null', invalid, () => add({ kemKey: null })],
    ['a key that is not named', badStatement, () => add({ kemKey }), /`kem-key` must be [0-9a-f]{64}, not -/],
    [
      'another key than the named one',
      badStatement,
      async () => add({ kemKey, statement: approved(await adding({ 'kem-key': sha256Hex('x') })) }),
      new RegExp(`\`kem-key\` must be ${hash}`)
    ],
    [
      'no key where one is named',
      badStatement,
      async () => add({ statement: approved(await adding({ 'kem-key': hash })) }),
      /`kem-key` must be -/
    ],
    ['a rekey without the key that it names', badStatement, () => rekey(rekeying, renewed.encryptionKey)]
  ])
})

t.test('A KEM key belongs to one device for ever, and a rekey keeps none of the old keys', async (t) => {
  const carol = await target.device('carol', { keys: cheapKeys({ kemKey: cheapKem() }) })
  expect(await carol.register(), 201)
  const first = carol.keys
  const renewed = (changed: Parameters<typeof cheapKeys>[0]) =>
    carol.rekey(cheapKeys({ signing: first.signingPrivate, ...changed }))
  const taking = async () => {
    const thief = await target.device('thief', { keys: cheapKeys({ kemKey: first.kemKey! }) })
    return thief.register()
  }
  await refuses(t, [
    ['a stranger’s KEM key', '409 key-in-use', taking],
    ['a rekey to no KEM key', '403 forbidden', () => renewed({})],
    ['a rekey that keeps the KEM key', '403 forbidden', () => renewed({ kemKey: first.kemKey! })],
    [
      'a rekey that keeps the RSA key',
      '403 forbidden',
      () => renewed({ kemKey: cheapKem(), encryptionKey: first.encryptionKey })
    ]
  ])
  const second = cheapKem()
  expect(await renewed({ kemKey: second }), 200)
  await refuses(t, [
    ['the KEM key before', '409 key-in-use', () => renewed({ kemKey: first.kemKey! })],
    ['a stranger’s KEM key that was replaced', '409 key-in-use', taking]
  ])
  const { devices } = expect(
    await bob.raw<{ devices: { kemKey?: string }[] }>('GET', '/v1/users/carol'),
    200
  ).body
  t.strictSame(
    devices.map(({ kemKey }) => kemKey),
    [second]
  )
})

t.test('A chain starts with a device that talks, and a device keeps its purpose', async (t) => {
  const backup = await target.device('erin', { purpose: 'recovery' })
  const renewed = cheapKeys({ signing: alice.keys.signingPrivate })
  const about = { device: alice.deviceId, keys: renewed, version: 2 }
  await refuses(t, [
    ['registering with a recovery device', badStatement, () => backup.register(), /purpose/],
    [
      'a reset to a recovery device',
      badStatement,
      async () => addSigned(signed(await resetting({ purpose: 'recovery' }), phone.keys)),
      /purpose/
    ],
    [
      'a rekey that makes a recovery device of it',
      '403 forbidden',
      async () =>
        rekey(
          signed(await next(alice, 'device-rekey', about, { purpose: 'recovery' }), alice.keys),
          renewed.encryptionKey
        ),
      /purpose/
    ],
    ['a purpose that is none', badStatement, async () => addText(await adding({ purpose: 'chatter' }))]
  ])
})

t.test('A statement about a device has exactly its lines', async (t) => {
  const rekeyed = cheapKeys({ signing: alice.keys.signingPrivate })
  const about = { device: alice.deviceId, keys: rekeyed, version: 2 }
  const rekeying = await next(alice, 'device-rekey', about)
  const revoking = await next(alice, 'device-revoke', about)
  await refuses(t, [
    ...malformed(await adding()).map(([wrong, text]): Case => [
      `a \`device-add\` ${wrong}`,
      badStatement,
      () => addText(text)
    ]),
    ...malformed(await resetting()).map(([wrong, text]): Case => [
      `a \`device-reset\` ${wrong}`,
      badStatement,
      () => addSigned(signed(text, phone.keys))
    ]),
    ...malformed(rekeying).map(([wrong, text]): Case => [
      `a \`device-rekey\` ${wrong}`,
      badStatement,
      () => rekey(signed(text, alice.keys), rekeyed.encryptionKey)
    ]),
    ...malformed(revoking).map(([wrong, text]): Case => [
      `a \`device-revoke\` ${wrong}`,
      badStatement,
      () => revoke(signed(text, alice.keys), alice.deviceId)
    ]),
    ['a statement of another kind', badStatement, () => addText(rekeying)],
    [
      'a revocation for an approval',
      badStatement,
      () => approve(signed(revoking, alice.keys), alice.deviceId)
    ],
    ['an empty statement', invalid, () => addText('')],
    ['a statement of 160,001 characters', '413 payload-too-large', () => addText('x'.repeat(160_001))]
  ])
})

t.test('Numbers and names in a statement about a device continue the chain', async (t) => {
  const text = await adding()
  const line = (name: string, value: string) =>
    text.replace(new RegExp(`^${name} .*$`, 'm'), `${name} ${value}`)
  const numbers = ['0', '00', '01', '02', '+2', '-2', '2.0', '2e0', '0x2', '1234567890', '٢', 'two', ' ']
  const { head } = await alice.user('alice')
  const stale = '409 stale-chain'
  await refuses(t, [
    ...numbers.map((number): Case => [
      `sequence ${number}`,
      badStatement,
      () => addText(line('sequence', number))
    ]),
    ...['1', '3', '999999999'].map((number): Case => [
      `sequence ${number}`,
      stale,
      () => addText(line('sequence', number)),
      { head, sequence: 1 }
    ]),
    ['no statement before', stale, () => addText(line('previous', '-')), { head }],
    ['another statement before', stale, () => addText(line('previous', sha256Hex('x'))), { head }],
    [
      'a hash in upper case',
      badStatement,
      () => addText(line('previous', head.replace(/^./, 'A').toUpperCase()))
    ],
    ...['0', '01', '1.0', '1234567890', '2'].map((version): Case => [
      `a new device with version ${version}`,
      badStatement,
      () => addText(line('encryption-version', version))
    ]),
    ['another user', badStatement, () => addText(line('user', 'bob')), /alice/],
    ['a user of the name `me`', badStatement, () => addText(line('user', 'me'))],
    ['another device', badStatement, () => addText(line('device', randomUUID()))],
    ['another signing key', badStatement, () => addText(line('signing-key', alice.keys.signingFp))],
    ['another encryption key', badStatement, () => addText(line('encryption-key', sha256Hex('x')))]
  ])
})

t.test('A new device signs for itself, and an active device of the same user approves', async (t) => {
  const text = await adding()
  const [fp, aliceFp] = [phone.keys.signingFp, alice.keys.signingFp]
  const good = approved(text).signatures
  const other = approved(`${text} `).signatures
  await refuses(t, [
    [
      'nobody’s signature but the approving one',
      badSignature,
      () => addSigned(signed(text, alice.keys)),
      new RegExp(fp)
    ],
    ['a stranger’s approval', badSignature, () => addSigned(signed(text, phone.keys, bob.keys))],
    ['a stranger’s signature alone', badSignature, () => addSigned(signed(text, bob.keys))],
    ['signatures over another text', badSignature, () => addSigned({ text, signatures: other })],
    [
      'an approval over another text',
      badSignature,
      () => addSigned({ text, signatures: { ...good, [aliceFp]: other[aliceFp]! } })
    ],
    [
      'another key’s signature under the new device’s name',
      badSignature,
      () => addSigned({ text, signatures: { ...good, [fp]: sign(bob.keys, text) } })
    ],
    [
      'another key’s signature under the approving device’s name',
      badSignature,
      () => addSigned({ text, signatures: { ...good, [aliceFp]: sign(phone.keys, text) } })
    ],
    [
      'the two signatures exchanged',
      badSignature,
      () => addSigned({ text, signatures: { [fp]: good[aliceFp]!, [aliceFp]: good[fp]! } })
    ],
    [
      'a signature of zeros',
      badSignature,
      () => addSigned({ text, signatures: { ...good, [fp]: Buffer.alloc(64).toString('base64') } })
    ]
  ])
  const reset = await resetting()
  await refuses(t, [
    ['a reset that the old device signs', badSignature, () => addSigned(signed(reset, alice.keys))],
    ['a reset that a stranger signs too', badSignature, () => addSigned(signed(reset, phone.keys, bob.keys))]
  ])
})

t.test('A reset takes a session that began with the password and without a device', async (t) => {
  const reset = signed(await resetting(), phone.keys)
  await refuses(t, [
    ['a reset in the session of a device', '403 forbidden', () => addSigned(reset), /password/],
    ['a reset by another user', '400 invalid-statement', () => add({ statement: reset }, bob)]
  ])
})

t.test('No key and no device id is bound twice, by any user', async (t) => {
  const laptop = async (changed: {
    device?: string
    signing?: KeyObject
    encryptionKey?: string
    pending?: boolean
  }) => {
    const keys = cheapKeys(changed)
    const device = changed.device ?? randomUUID()
    const text = await next(alice, 'device-add', { device, keys })
    return add({
      id: device,
      signingKey: keys.signingKey,
      encryptionKey: keys.encryptionKey,
      statement: changed.pending === true ? signed(text, keys) : signed(text, keys, alice.keys)
    })
  }
  const inUse = '409 key-in-use'
  await refuses(t, [
    ...[true, false].flatMap((pending): Case[] => [
      ['the id of a stranger’s device', '409 id-conflict', () => laptop({ device: bob.deviceId, pending })],
      [
        'a stranger’s encryption key',
        inUse,
        () => laptop({ encryptionKey: bob.keys.encryptionKey, pending })
      ],
      ['a stranger’s signing key', inUse, () => laptop({ signing: bob.keys.signingPrivate, pending })],
      ['one’s own encryption key', inUse, () => laptop({ encryptionKey: alice.keys.encryptionKey, pending })]
    ]),
    ['one’s own signing key', inUse, () => laptop({ signing: alice.keys.signingPrivate })],
    ['the id of one’s own device', '409 id-conflict', () => laptop({ device: alice.deviceId })]
  ])

  const before = alice.keys
  expect(await alice.rekey(cheapKeys({ signing: before.signingPrivate })), 200)
  await refuses(t, [
    ['an encryption key that was replaced', inUse, () => laptop({ encryptionKey: before.encryptionKey })],
    ['going back to it', inUse, () => alice.rekey(before)],
    [
      'a rekey to a stranger’s key',
      inUse,
      () => alice.rekey(cheapKeys({ signing: before.signingPrivate, encryptionKey: bob.keys.encryptionKey }))
    ],
    ['a rekey to the same key', '403 forbidden', () => alice.rekey(alice.keys)]
  ])
})

t.test('A rekey is by the device itself, one version on, under the same signing key', async (t) => {
  const renewed = cheapKeys({ signing: alice.keys.signingPrivate })
  const device = alice.deviceId
  const change = async (changed: Partial<Lines>, ...signers: DeviceKeys[]) =>
    rekey(
      signed(await next(alice, 'device-rekey', { device, keys: renewed, version: 3 }, changed), ...signers),
      renewed.encryptionKey
    )
  await refuses(t, [
    ['the same version', '403 forbidden', () => change({ 'encryption-version': 2 }, alice.keys)],
    ['a version left out', '403 forbidden', () => change({ 'encryption-version': 4 }, alice.keys)],
    [
      'another signing key',
      '403 forbidden',
      () => change({ 'signing-key': phone.keys.signingFp }, alice.keys)
    ],
    ['another device in the statement', badStatement, () => change({ device: bob.deviceId }, alice.keys)],
    ['a stranger’s signature', badSignature, () => change({}, bob.keys)],
    ['a stranger’s signature too', badSignature, () => change({}, alice.keys, bob.keys)],
    ['a statement that is overtaken', '409 stale-chain', () => change({ sequence: 2 }, alice.keys)],
    [
      'a member that is unknown',
      invalid,
      () =>
        alice.raw('PUT', `/v1/devices/${device}/encryption-key`, {
          body: { encryptionKey: renewed.encryptionKey, statement: signed('x', alice.keys), force: true }
        })
    ]
  ])
})

t.test('Other users neither approve, rekey nor revoke a user’s devices', async (t) => {
  const { encryptionKey } = cheapKeys()
  const pending = { device: randomUUID(), keys: cheapKeys() }
  const asked = await next(alice, 'device-add', pending)
  const { signingKey } = pending.keys
  expect(
    await alice.raw('POST', '/v1/devices', {
      body: {
        id: pending.device,
        name: 'tablet',
        signingKey,
        encryptionKey: pending.keys.encryptionKey,
        statement: signed(asked, pending.keys)
      }
    }),
    202
  )
  const notFound = '404 device-not-found'
  const revoking = async (of: InteropClient, device: string) =>
    next(of, 'device-revoke', { device, keys: alice.keys })
  const rekeying = async (of: InteropClient, device: string) => {
    const keys = cheapKeys({ signing: bob.keys.signingPrivate, encryptionKey })
    return { text: await next(of, 'device-rekey', { device, keys, version: 2 }), keys }
  }
  const theft = await rekeying(bob, alice.deviceId)
  const forgery = await rekeying(alice, alice.deviceId)
  const texts = {
    own: await revoking(bob, alice.deviceId),
    hers: await revoking(alice, alice.deviceId),
    nobodys: await revoking(alice, randomUUID()),
    pending: await revoking(alice, pending.device)
  }
  const nobody = texts.nobodys.split('\n')[4]!.slice('device '.length)
  await refuses(t, [
    [
      'a stranger who approves',
      notFound,
      () => approve(signed(asked, pending.keys, bob.keys), pending.device, bob)
    ],
    [
      'a stranger’s signature for an approval',
      badSignature,
      () => approve(signed(asked, bob.keys), pending.device)
    ],
    [
      'a stranger’s signature beside the approval',
      badSignature,
      () => approve(signed(asked, alice.keys, bob.keys), pending.device)
    ],
    ['no approval', badSignature, () => approve(signed(asked, pending.keys), pending.device)],
    [
      'an approval of another device than the address says',
      badStatement,
      () => approve(signed(asked, alice.keys), alice.deviceId)
    ],
    [
      'an approval of another text',
      badStatement,
      () =>
        approve(
          signed(asked.replace(pending.keys.encryptionFp, alice.keys.encryptionFp), alice.keys),
          pending.device
        )
    ],
    ['an id that is none', invalid, () => approve(signed(asked, alice.keys), '..%2F..')],
    [
      'a revocation in the stranger’s own chain',
      notFound,
      () => revoke(signed(texts.own, bob.keys), alice.deviceId, bob)
    ],
    [
      'a revocation in the chain of the other user',
      notFound,
      () => revoke(signed(texts.hers, bob.keys), alice.deviceId, bob)
    ],
    [
      'a revocation that alice signed, posted by another user',
      notFound,
      () => revoke(signed(texts.hers, alice.keys), alice.deviceId, bob)
    ],
    [
      'the signature of another user',
      badSignature,
      () => revoke(signed(texts.hers, bob.keys), alice.deviceId)
    ],
    ['a device of nobody', notFound, () => revoke(signed(texts.nobodys, alice.keys), nobody)],
    ['a device that is pending', notFound, () => revoke(signed(texts.pending, alice.keys), pending.device)],
    [
      'the pending device revokes',
      badSignature,
      () => revoke(signed(texts.hers, pending.keys), alice.deviceId)
    ],
    [
      'a rekey in the stranger’s own chain',
      notFound,
      () => rekey(signed(theft.text, bob.keys), theft.keys.encryptionKey, bob)
    ],
    [
      'a rekey in hers',
      notFound,
      () => rekey(signed(forgery.text, bob.keys), forgery.keys.encryptionKey, bob)
    ],
    [
      'a rekey that he signs',
      badSignature,
      () => rekey(signed(forgery.text, bob.keys), forgery.keys.encryptionKey)
    ]
  ])

  const thief = await target.device('thief', {
    keys: cheapKeys({ encryptionKey: pending.keys.encryptionKey })
  })
  await refuses(t, [
    ['registering with the key of a pending device', '409 key-in-use', () => thief.register()]
  ])
})

t.test('A user has at most five pending devices', async (t) => {
  const more = async (): Promise<InteropClient> => {
    const device = await target.device('alice', { password: alice.password })
    expect(await device.login(false), 200)
    return device
  }
  const tablet = await more()
  expect(await tablet.addDevice(), 202)
  const text = await next(alice, 'device-add', { device: tablet.deviceId, keys: tablet.keys })
  await refuses(t, [
    [
      'approving itself',
      '403 device-pending',
      () => approve(signed(text, tablet.keys), tablet.deviceId, tablet)
    ],
    ['a stream', '403 device-pending', () => tablet.raw('GET', '/v1/events')],
    ['logging in', '403 device-pending', () => tablet.login()],
    [
      'creating a conversation',
      '403 device-pending',
      () =>
        tablet.raw('POST', '/v1/conversations', {
          body: {
            id: randomUUID(),
            statements: [signed('x\n', tablet.keys)],
            key: {
              id: randomUUID(),
              statement: signed('x\n', tablet.keys),
              wraps: [{ deviceId: randomUUID(), wrappedKey: Buffer.alloc(258).toString('base64') }]
            }
          }
        })
    ]
  ])
  waiting.push(tablet)
  // One more waits since the test before.
  while (waiting.length < 4) {
    const device = await more()
    expect(await device.addDevice(), 202)
    waiting.push(device)
  }
  const sixth = await more()
  await refuses(t, [['the sixth that waits', '409 too-many-devices', () => sixth.addDevice()]])
})

t.test('A revoked device never comes back', async (t) => {
  const tablet = await target.device('alice', { password: alice.password })
  expect(await tablet.login(false), 200)
  expect(await tablet.addDevice(alice.keys), 201)
  expect(await alice.revoke(tablet.deviceId), 200)
  const about = { device: tablet.deviceId, keys: tablet.keys }
  const again = await next(alice, 'device-add', about)
  const revoking = await next(alice, 'device-revoke', { device: alice.deviceId, keys: alice.keys })
  const back = (statement: Statement) =>
    add({
      id: tablet.deviceId,
      signingKey: tablet.keys.signingKey,
      encryptionKey: tablet.keys.encryptionKey,
      statement
    })
  await refuses(t, [
    ['adding it again', '409 id-conflict', () => back(signed(again, tablet.keys, alice.keys))],
    [
      'approving it again',
      '404 device-not-found',
      () => approve(signed(again, tablet.keys, alice.keys), tablet.deviceId)
    ],
    [
      'its keys under another id',
      '409 key-in-use',
      async () => {
        const device = randomUUID()
        const text = await next(alice, 'device-add', { device, keys: tablet.keys })
        const { signingKey, encryptionKey } = tablet.keys
        return add({
          id: device,
          signingKey,
          encryptionKey,
          statement: signed(text, tablet.keys, alice.keys)
        })
      }
    ],
    ['logging in with it', '404 device-not-found', () => tablet.login()],
    ['its session', '401 session-ended', () => tablet.raw('GET', '/v1/devices')],
    ['its signature', badSignature, () => revoke(signed(revoking, tablet.keys), alice.deviceId)],
    [
      'revoking it again',
      '404 device-not-found',
      async () => revoke(signed(await next(alice, 'device-revoke', about), alice.keys), tablet.deviceId)
    ]
  ])
})

t.test('A device that was refused many times is accepted once it is valid', async (t) => {
  expect(await add(), 201)
  t.equal((await bob.user('alice')).active.size, 2)
  const tablet = { device: waiting[0]!.deviceId, keys: waiting[0]!.keys }
  expect(await waiting[0]!.addDevice(), 202)
  const text = await next(alice, 'device-add', tablet)
  await refuses(t, [
    [
      'two approvals at once',
      badSignature,
      () => approve(signed(text, alice.keys, phone.keys), tablet.device),
      /only the new device and one approving/i
    ]
  ])
  expect(await approve(signed(text, alice.keys), tablet.device), 200)
  const full = '409 too-many-devices'
  const fourth = { device: waiting[1]!.deviceId, keys: waiting[1]!.keys }
  const late = await next(alice, 'device-add', fourth)
  const { device, keys } = { device: randomUUID(), keys: cheapKeys() }
  const more = await next(alice, 'device-add', { device, keys })
  const { signingKey, encryptionKey } = keys
  const body = { id: device, signingKey, encryptionKey }
  await refuses(t, [
    [
      'approving one more than the service allows',
      full,
      () => approve(signed(late, fourth.keys, alice.keys), fourth.device)
    ],
    ['adding one more', full, () => add({ ...body, statement: signed(more, keys, alice.keys) })],
    ['asking for one more', full, () => add({ ...body, statement: signed(more, keys) })]
  ])
  t.strictSame(target.log, [], 'and none of this was worth a warning in the log')
})
