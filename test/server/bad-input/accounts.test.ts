import { randomUUID } from 'node:crypto'
import t from 'tap'
import { badBase64, cheapKeys, said, startTarget, type Case } from '../../support/bad-input.js'
import { signed } from '../../support/interop/chains.js'
import { expect, type UserAnswer } from '../../support/interop/http.js'

const target = await startTarget(t)
const { refuses } = target
const alice = await target.user('alice')
const bob = await target.user('bob')
const dave = await target.device('dave')

type Body = Record<string, unknown>

const device = (): Body => ({
  id: dave.deviceId,
  name: 'laptop',
  signingKey: dave.keys.signingKey,
  encryptionKey: dave.keys.encryptionKey,
  statement: dave.firstStatement()
})
const registration = (changed: Body = {}): Body => ({
  username: 'dave',
  password: dave.password,
  device: device(),
  ...changed
})
const post = (path: string, body?: unknown, headers?: Record<string, string>) =>
  alice.raw('POST', path, { body, token: null, ...(headers && { headers }) })
const register = (changed: Body) => post('/v1/auth/register', registration(changed))
const registerDevice = (changed: Body) => register({ device: { ...device(), ...changed } })
const get = (path: string) => alice.raw('GET', path)

/** `good` without one of its members. */
const without = (good: Body, name: string): Body =>
  Object.fromEntries(Object.entries(good).filter(([key]) => key !== name))

const invalid = '400 invalid-request'

t.test('A username has 3 to 32 of `a-z 0-9 _ . -` and begins with a letter', async (t) => {
  const names: [string, unknown][] = [
    ['of two letters', 'al'],
    ['of 33 letters', 'a'.repeat(33)],
    ['that is empty', ''],
    ['that begins with a digit', '1dave'],
    ['that begins with a dot', '.dave'],
    ['with a space', 'da ve'],
    ['with a line break at the end', 'dave\n'],
    ['with a NUL', 'dave\0'],
    ['with a control character', 'da\u0007ve'],
    ['with a lone surrogate', 'dave\ud800'],
    ['with a Cyrillic а', 'd\u0430ve'],
    ['with a fullwidth letter', '\uff44ave'],
    ['with a Kelvin sign, which folds to k', '\u212aate'],
    ['with a dotted İ, which folds to two characters', '\u0130van'],
    ['with an override of the writing direction', 'dave\u202e'],
    ['with an invisible space', 'da\u200bve'],
    ['with a slash', 'da/ve'],
    ['with a percent sign', 'da%ve'],
    ['that is a number', 12345],
    ['that is null', null],
    ['that is a list of one', ['dave']],
    ['that is an object', { toString: 'dave' }]
  ]
  await refuses(
    t,
    names.flatMap(([wrong, username]): Case[] => [
      [`registering a name ${wrong}`, invalid, () => register({ username }), /body\/username/],
      [
        `logging in with a name ${wrong}`,
        invalid,
        () => post('/v1/auth/login', { username, password: dave.password }),
        /body\/username/
      ]
    ])
  )
})

t.test('The refusal of a text says the rule in words', async (t) => {
  await refuses(t, [
    ['a username', invalid, () => register({ username: 'da ve' }), /3 to 32 characters of `a-z 0-9 _ . -`/],
    ['a password', invalid, () => register({ password: 'kq7vz2mxwt\0' }), /without NUL/],
    ['a device’s name', invalid, () => registerDevice({ name: 'lap\ntop' }), /no control characters/]
  ])
})

t.test('Usernames are the same in upper and lower case, and the first user keeps them', async (t) => {
  const twin = await target.device('alice')
  const body = {
    username: 'ALICE',
    password: dave.password,
    device: {
      id: twin.deviceId,
      name: 'laptop',
      signingKey: twin.keys.signingKey,
      encryptionKey: twin.keys.encryptionKey,
      statement: twin.firstStatement()
    }
  }
  await refuses(t, [
    ['a name that is taken, in upper case', '409 username-taken', () => post('/v1/auth/register', body)],
    [
      'a name that is taken',
      '409 username-taken',
      () => post('/v1/auth/register', { ...body, username: 'alice' })
    ]
  ])
  const { username, password } = alice
  expect(await post('/v1/auth/login', { username: username.toUpperCase(), password }), 200)
  t.match((await get('/v1/users/AlIcE')).body, { user: { username: 'alice' } })
})

t.test('A password has 10 to 256 characters and is not easy to guess', async (t) => {
  const passwords: Case[] = (
    [
      ['nine characters', 'kq7vz2mxw'],
      ['257 characters', 'kq7vz2mxwt'.repeat(26).slice(0, 257)],
      ['no characters', ''],
      ['a number', 1234567890],
      ['null', null],
      ['a list', ['kq7vz2mxwt']],
      ['half a character (a lone surrogate)', 'kq7vz2mxwt\ud800'],
      ['a NUL, which a hash would not tell from none', 'kq7vz2mxwt\0']
    ] as const
  ).map(([wrong, password]) => [
    `a password of ${wrong}`,
    invalid,
    () => register({ password }),
    /body\/password/
  ])
  const weak = ['password123', '1234567890', 'PASSWORD123', 'aaaaaaaaaaaa', 'abababababab', 'qwertyuiop']
  await refuses(t, [
    ...passwords,
    ...weak.map((password): Case => [password, '400 weak-password', () => register({ password })])
  ])

  const long = await target.device('longusername')
  const own = {
    id: long.deviceId,
    name: 'laptop',
    signingKey: long.keys.signingKey,
    encryptionKey: long.keys.encryptionKey,
    statement: long.firstStatement()
  }
  await refuses(
    t,
    ['longusername', 'LongUserName'].map((password): Case => [
      `the username as password (${password})`,
      '400 weak-password',
      () => post('/v1/auth/register', { username: 'longusername', password, device: own })
    ])
  )
})

t.test('A device’s name has 1 to 64 visible characters', async (t) => {
  const names: [string, unknown][] = [
    ['that is empty', ''],
    ['of 65 characters', 'x'.repeat(65)],
    ['with a line break', 'lap\ntop'],
    ['with an escape sequence', 'lap\u001b[31mtop'],
    ['with a NUL', 'lap\0top'],
    ['with a C1 control', 'lap\u0085top'],
    ['with an override of the writing direction', 'lap\u202etop'],
    ['with an isolate of the writing direction', 'lap\u2066top'],
    ['with an invisible space', 'lap\u200btop'],
    ['with a lone surrogate', 'lap\udc00top'],
    ['of a private use', 'lap\ue000top'],
    ['that is a number', 5],
    ['that is null', null]
  ]
  await refuses(
    t,
    names.map(([wrong, name]): Case => [
      `a name ${wrong}`,
      invalid,
      () => registerDevice({ name }),
      /body\/device\/name/
    ])
  )
})

t.test('A request holds all members that it needs and no others, of exactly their types', async (t) => {
  const credentials = { username: 'alice', password: alice.password }
  const statement = dave.firstStatement()
  await refuses(t, [
    ...['username', 'password', 'device'].map((name): Case => [
      `registering without ${name}`,
      invalid,
      () => post('/v1/auth/register', without(registration(), name)),
      new RegExp(`'${name}'`)
    ]),
    ...Object.keys(device()).map((name): Case => [
      `a device without ${name}`,
      invalid,
      () => register({ device: without(device(), name) }),
      new RegExp(`'${name}'`)
    ]),
    ['a role that nobody offered', invalid, () => register({ admin: true }), /admin/],
    ['a device with a status', invalid, () => registerDevice({ status: 'active' }), /status/],
    [
      'a statement with more in it',
      invalid,
      () => registerDevice({ statement: { ...statement, hash: 'x' } }),
      /hash/
    ],
    ['a device that is null', invalid, () => register({ device: null })],
    ['a device that is a list', invalid, () => register({ device: [device()] })],
    ['a device that is a text', invalid, () => register({ device: JSON.stringify(device()) })],
    ['a statement that is a text', invalid, () => registerDevice({ statement: statement.text })],
    [
      'a statement without signatures',
      invalid,
      () => registerDevice({ statement: { text: statement.text } })
    ],
    [
      'a statement’s text as a number',
      invalid,
      () => registerDevice({ statement: { ...statement, text: 1 } })
    ],
    ['a statement without text', invalid, () => registerDevice({ statement: { ...statement, text: '' } })],
    ['an id in upper case', invalid, () => registerDevice({ id: dave.deviceId.toUpperCase() })],
    ['an id in braces', invalid, () => registerDevice({ id: `{${dave.deviceId}}` })],
    ['an id without hyphens', invalid, () => registerDevice({ id: dave.deviceId.replaceAll('-', '') })],
    ['an id with a line break', invalid, () => registerDevice({ id: `${dave.deviceId}\n` })],
    ['an id that is a number', invalid, () => registerDevice({ id: 5 })],
    ['logging in without a password', invalid, () => post('/v1/auth/login', { username: 'alice' })],
    ['logging in with more', invalid, () => post('/v1/auth/login', { ...credentials, otp: '123456' })],
    ['an empty password', invalid, () => post('/v1/auth/login', { ...credentials, password: '' })],
    [
      'a password of 257 characters',
      invalid,
      () => post('/v1/auth/login', { ...credentials, password: 'x'.repeat(257) })
    ],
    [
      'the right password and a NUL',
      invalid,
      () => post('/v1/auth/login', { ...credentials, password: `${alice.password}\0` })
    ],
    ['a device that is null', invalid, () => post('/v1/auth/login', { ...credentials, deviceId: null })],
    ['a device that is no id', invalid, () => post('/v1/auth/login', { ...credentials, deviceId: 'phone' })],
    ['refreshing with nothing', invalid, () => post('/v1/auth/refresh', {})],
    ['refreshing with a number', invalid, () => post('/v1/auth/refresh', { refreshToken: 1 })],
    ['refreshing with nothing in it', invalid, () => post('/v1/auth/refresh', { refreshToken: '' })],
    [
      'refreshing with far too much',
      invalid,
      () => post('/v1/auth/refresh', { refreshToken: 'x'.repeat(257) })
    ]
  ])
})

t.test('Signatures are standard base64 with padding, of 64 bytes, under a fingerprint', async (t) => {
  const { text, signatures } = dave.firstStatement()
  const [[fingerprint, signature]] = Object.entries(signatures) as [[string, string]]
  const withSignatures = (given: unknown) => registerDevice({ statement: { text, signatures: given } })
  const bytes = (count: number) => Buffer.alloc(count, 1).toString('base64')
  await refuses(t, [
    ...badBase64(signature).map(([wrong, base64]): Case => [
      `a signature in base64 ${wrong}`,
      invalid,
      () => withSignatures({ [fingerprint]: base64 }),
      /body\/device\/statement\/signatures/
    ]),
    ['a signature of 63 bytes', invalid, () => withSignatures({ [fingerprint]: bytes(63) })],
    ['a signature of 65 bytes', invalid, () => withSignatures({ [fingerprint]: bytes(65) })],
    ['a signature of 66 bytes', invalid, () => withSignatures({ [fingerprint]: bytes(66) })],
    ['a signature that is null', invalid, () => withSignatures({ [fingerprint]: null })],
    ['no signature', invalid, () => withSignatures({})],
    ['a list of signatures', invalid, () => withSignatures([signature])],
    [
      'a fingerprint in upper case',
      invalid,
      () => withSignatures({ [fingerprint.replace(/^./, 'A').toUpperCase()]: signature })
    ],
    ['a fingerprint cut short', invalid, () => withSignatures({ [fingerprint.slice(1)]: signature })],
    [
      'three signatures',
      invalid,
      () =>
        withSignatures({
          [fingerprint]: signature,
          ['a'.repeat(64)]: signature,
          ['b'.repeat(64)]: signature
        })
    ]
  ])
})

t.test('A wrong password and a user who does not exist get the same answer', async (t) => {
  const wrong = { username: 'alice', password: 'not her password' }
  const nobody = { username: 'nobody', password: 'not her password' }
  await refuses(t, [
    ['a wrong password', '401 invalid-credentials', () => post('/v1/auth/login', wrong)],
    ['a user who does not exist', '401 invalid-credentials', () => post('/v1/auth/login', nobody)],
    [
      'a wrong password with a device',
      '401 invalid-credentials',
      () => post('/v1/auth/login', { ...wrong, deviceId: alice.deviceId })
    ]
  ])
  const [one, other] = await Promise.all([wrong, nobody].map((body) => post('/v1/auth/login', body)))
  t.strictSame(said(one!), said(other!))
})

t.test('A user logs in only with a device of their own', async (t) => {
  const { username, password } = alice
  const login = (deviceId: string) => post('/v1/auth/login', { username, password, deviceId })
  await refuses(t, [
    ['a device of another user', '404 device-not-found', () => login(bob.deviceId)],
    ['a device of nobody', '404 device-not-found', () => login(randomUUID())]
  ])
})

t.test('A new account needs an id, a name and keys that nobody else has', async (t) => {
  const taken = async (changed: { deviceId?: string; encryptionKey?: string; of?: typeof alice }) => {
    const { signingPrivate: signing } = changed.of?.keys ?? cheapKeys()
    const keys = cheapKeys({
      signing,
      ...(changed.encryptionKey !== undefined && { encryptionKey: changed.encryptionKey })
    })
    const thief = await target.device('thief', { keys })
    const id = changed.deviceId ?? thief.deviceId
    const text = thief.firstStatement().text.replace(thief.deviceId, id)
    const { signingKey, encryptionKey } = keys
    const body = { id, name: 'x', signingKey, encryptionKey, statement: signed(text, keys) }
    return post('/v1/auth/register', { username: 'thief', password: 'kq7vz2mxwt', device: body })
  }
  await refuses(t, [
    ['a device id of another user', '409 id-conflict', () => taken({ deviceId: alice.deviceId })],
    [
      'an encryption key of another user',
      '409 key-in-use',
      () => taken({ encryptionKey: alice.keys.encryptionKey })
    ],
    ['a signing key of another user, who lends it', '409 key-in-use', () => taken({ of: alice })]
  ])
})

t.test('Looking users up takes a name, or three characters of it, and nothing is a wildcard', async (t) => {
  await target.user('a-user')
  const wild = (await get('/v1/users?prefix=a__')).body
  t.match(wild, { items: [] }, 'an underscore stands for itself')
  await refuses(t, [
    ...(
      [
        ['two characters', 'al'],
        ['nothing', ''],
        ['a percent sign', 'al%25'],
        ['a backslash', 'ali%5C'],
        ['a star', 'al*'],
        ['a quote', "al'"],
        ['a NUL', 'ali%00'],
        ['a line break', 'ali%0A'],
        ['a Cyrillic а', '%D0%B0lice'],
        ['33 characters', 'a'.repeat(33)]
      ] as const
    ).map(([wrong, prefix]): Case => [
      `a prefix of ${wrong}`,
      invalid,
      () => get(`/v1/users?prefix=${prefix}`),
      /querystring\/prefix/
    ]),
    ['no prefix', invalid, () => get('/v1/users')],
    ['two prefixes', invalid, () => get('/v1/users?prefix=ali&prefix=bob')],
    ['a list of prefixes', invalid, () => get('/v1/users?prefix[]=ali')],
    ['a cursor that is no name', '400 invalid-cursor', () => get('/v1/users?prefix=ali&cursor=%00')],
    ['a name with a Cyrillic а', invalid, () => get('/v1/users/%D0%B0lice'), /params\/username/],
    ['a name with a NUL', invalid, () => get('/v1/users/alice%00')],
    ['a name with a slash', invalid, () => get('/v1/users/alice%2F..%2Fbob')],
    ['a name that nobody has', '404 user-not-found', () => get('/v1/users/nobody')],
    ['statements after a word', invalid, () => get('/v1/users/alice?after=abc')],
    ['statements after a negative number', invalid, () => get('/v1/users/alice?after=-1')],
    ['statements after one and a half', invalid, () => get('/v1/users/alice?after=1.5')],
    ['statements after more than there can be', invalid, () => get('/v1/users/alice?after=1001')],
    ['statements after 10^30', invalid, () => get(`/v1/users/alice?after=1${'0'.repeat(30)}`)],
    ['statements after infinity', invalid, () => get('/v1/users/alice?after=Infinity')],
    ['statements after two numbers', invalid, () => get('/v1/users/alice?after=1&after=2')],
    ['no statements', invalid, () => get('/v1/users/alice?limit=0')],
    ['201 statements', invalid, () => get('/v1/users/alice?limit=201')]
  ])
  for (const after of [1, 1000]) {
    const { body } = expect(await alice.raw<UserAnswer>('GET', `/v1/users/alice?after=${after}`), 200)
    t.strictSame(body.chain.items, [], `after ${after} there is nothing yet`)
  }
})

t.test('The chains of users are asked for by 1 to 200 names, each with a number', async (t) => {
  const chains = (users: unknown, query = '') =>
    alice.raw('POST', `/v1/users/chains${query}`, { body: { users } })
  const one = { username: 'alice', after: 0 }
  await refuses(t, [
    ['no names', invalid, () => chains([])],
    ['201 names', invalid, () => chains(Array.from({ length: 201 }, () => one))],
    ['a name that is none', invalid, () => chains([{ ...one, username: 'а'.repeat(3) }])],
    ['a name in upper case', invalid, () => chains([{ ...one, username: 'ALICE' }])],
    ['a name without a number', invalid, () => chains([{ username: 'alice' }])],
    ['a negative number', invalid, () => chains([{ ...one, after: -1 }])],
    ['a number above the longest chain', invalid, () => chains([{ ...one, after: 1001 }])],
    ['a number and a half', invalid, () => chains([{ ...one, after: 1.5 }])],
    ['a text for a number', invalid, () => chains([{ ...one, after: '1' }])],
    ['a member too many', invalid, () => chains([{ ...one, head: null }])],
    ...['x', '0', '1-0', '0-', '-1', '0-0-0', '0-10000', '1e0-0'].map((cursor): Case => [
      `the cursor ${cursor}`,
      '400 invalid-cursor',
      () => chains([one], `?cursor=${cursor}`)
    ])
  ])
})

t.test('Presence is given for up to 100 users, by their names', async (t) => {
  await refuses(t, [
    ['nobody', invalid, () => get('/v1/presence')],
    ['a name that is none', invalid, () => get('/v1/presence?user=%D0%B0lice')],
    ['a name with a NUL', invalid, () => get('/v1/presence?user=alice%00')],
    ['101 names', invalid, () => get(`/v1/presence?${'user=alice&'.repeat(101)}`)]
  ])
  t.match((await get('/v1/presence?user=alice&user=bob')).body, {
    items: [{ username: 'alice' }]
  })
})

t.test('A user ends only their own sessions', async (t) => {
  const { body } = await bob.raw<{ items: { id: string }[] }>('GET', '/v1/auth/sessions')
  const end = (id: string) => alice.raw('DELETE', `/v1/auth/sessions/${id}`)
  await refuses(t, [
    ['a session of another user', '404 session-not-found', () => end(body.items[0]!.id)],
    ['a session of nobody', '404 session-not-found', () => end(randomUUID())],
    ['a session that is no id', invalid, () => end('current')],
    ['a session with wildcards', invalid, () => end('%25')]
  ])
})

t.test('A registration that was refused many times is accepted once it is valid', async (t) => {
  expect(await register({}), 201)
  await refuses(t, [['the same again', '409 username-taken', () => register({})]])
  t.strictSame(target.log, [], 'and none of this was worth a warning in the log')
})
