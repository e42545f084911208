import t from 'tap'
import { commandLine, type Given } from '../support/command-line.js'
import { startChat } from '../support/start-chat.js'

const { url, user } = await startChat(t)
const nowhere = 'http://127.0.0.1:9'
const cli = commandLine(t, { SECURE_CHAT_URL: url })
const as = (name: string) => ({ env: { SECURE_CHAT_PROFILE: name } })
await cli('register alice', as('alice'))
await cli('register bob', as('bob'))

const ID = '00000000-0000-4000-8000-000000000000'

/** A command line, and the message that it ends with. */
type Case = [line: string | string[], says: RegExp, given?: Given]

const misused: Case[] = [
  ['whoami', /no account in the profile "nobody"/, as('nobody')],
  ['register al', /^error: 'al' does not fit name\. A username has 3 to 32/, as('new')],
  ['users al', /'al' does not fit prefix\. .*3 to 32/],
  ['help group no', /unknown command 'no'/],
  ['sned bob hi', /Did you mean send\?/],
  ['send', /missing required argument 'to'/],
  ['send bob hi there', /too many arguments/],
  ['history bob --limit none', /whole number, 1 or more/],
  ['history bob --limit 0', /whole number, 1 or more/],
  ['login alice --password secret', /unknown option '--password'/],
  ['--profile ../alice whoami', /is not a valid profile name/],
  ['--url ftp://example.org whoami', /is not the address of a server/],
  ['whoami --password-file', /argument missing/],
  ['send bob hi', /no account in the profile "nobody"[^]*secure-chat register/, as('nobody')],
  ['send alice hi', /direct conversation is with somebody else/],
  [['send', 'bob', ''], /message is empty/],
  ['send bob --profile alice', /message is empty/, { stdin: '\n' }],
  ['send bob', /not text in UTF-8/, { stdin: new Uint8Array([0xff, 0xfe]) }],
  [['send', 'bob', 'x'.repeat(70_000)], /bytes at most\.\n {2}Send its end .*tail/],
  ['send bob', /too long for a message/, { stdin: 'x'.repeat(2 ** 20 + 1) }],
  [['send', 'bob', ' \n\t '], /message is empty/],
  ['send b! hi', /"b!" is no username\.\n.*3 to 32 characters/],
  ['group create ops bob x!', /"x!" is no username|A username has 3 to 32/],
  ['send bob hi --id 7', /It must be a UUID, such as/],
  ['send bob hi --reply 7', /It must be a UUID, such as/],
  ['register A!', /A username has 3 to 32 characters of a-z/, as('new')],
  [
    'register carol',
    /A password has 10 to 256 characters, not 5\./,
    { env: { SECURE_CHAT_PROFILE: 'new', SECURE_CHAT_PASSWORD: 'short' } }
  ],
  ['verify bob 12345', /has 60 digits/],
  ['verify alice', /your own name/],
  ['accept alice', /your own name/],
  [`contacts accept-chain alice ${'0'.repeat(64)}`, /your own name/],
  ['accept bob abcd', /must have 64 hexadecimal digits/],
  ['conversations accept ops abcd', /It must be a UUID/],
  ['group timer ops 5y', /such as 30m, 24h, 7d or 4w, or off/],
  ['send bob hi --reply 7', /It must be a UUID, such as/],
  [`send bob hi --edit ${ID} --react ${ID}`, /cannot be used with option/],
  [`send bob hi --retract ${ID}`, /has no text/],
  ['devices link', /linked already/],
  [['group', 'create', ''], /1 to 256 characters/],
  [['group', 'create', 'x'.repeat(257)], /1 to 256 characters/],
  ['group role ops bob king', /admin, member/],
  ['devices approve', /No device waits/],
  ['register carol', /belongs to alice[^]*--profile/],
  ['login alice', /no terminal[^]*SECURE_CHAT_PASSWORD/, { env: { SECURE_CHAT_PASSWORD: '' } }],
  ['login alice --password-file /nowhere', /can't be read/],
  ['logout --forget', /no terminal to ask on[^]*--yes/]
]

t.test('A wrong command line ends with 2, and the message says how to correct it', async (t) => {
  for (const [line, says, given] of misused) {
    const { code, out, err } = await cli(line, given ?? as('alice'))
    t.equal(code, 2, `${String(line).slice(0, 60)}: ${err}`)
    t.equal(out, '')
    t.match(err, says)
  }
})

t.test('A request that is refused ends with 1', async (t) => {
  const refused: Case[] = [
    ['send zelda hi', /no user zelda[^]*Check the spelling[^]*secure-chat users PREFIX/],
    ['users zel', /No user has a name that begins with "zel"/],
    ['group create ops zelda', /no user zelda/],
    ['history carol', /no conversation with "carol"/],
    ['group add ops bob', /no group "ops"/],
    ['devices revoke 00', /No such device/],
    [
      'restore bob',
      /There is no backup/,
      { env: { SECURE_CHAT_PROFILE: 'empty', SECURE_CHAT_RECOVERY_CODE: 'x' } }
    ],
    [
      'register alice',
      /taken/,
      { env: { SECURE_CHAT_PROFILE: 'new', SECURE_CHAT_PASSWORD: 'quite another one 7' } }
    ],
    [
      'register carol',
      /password is a common one/,
      { env: { SECURE_CHAT_PROFILE: 'new', SECURE_CHAT_PASSWORD: 'password1234' } }
    ],
    ['login bob', /password/, { env: { SECURE_CHAT_PROFILE: 'bob', SECURE_CHAT_PASSWORD: 'wrong' } }],
    [`verify bob ${'12345 '.repeat(12)}`, /are not equal/],
    [`history ${ID}`, /no such conversation/],
    [`conversations accept ${ID} ${'0'.repeat(64)}`, /no such conversation/],
    [`contacts accept-chain bob ${'0'.repeat(64)}`, /shows another chain of bob/]
  ]
  for (const [line, says, given] of refused) {
    const { code, out, err } = await cli(line, given ?? as('alice'))
    t.equal(code, 1, `${String(line)}: ${err}`)
    t.equal(out, '')
    t.match(err, says)
  }
})

t.test('A server that cannot be reached ends with 3, and the message says what to check', async (t) => {
  const { code, out, err } = await cli(`--url ${nowhere} login bob`, as('bob'))
  t.strictSame([code, out], [3, ''])
  t.match(err, `Is a server running at ${nowhere}?`)
  const { err: longer } = await cli(`--url ${nowhere} --verbose login bob`, as('bob'))
  t.match(longer, /\[unreachable: no-connection\]/)
})

t.test('A name of both a user and a group is ambiguous, and nothing is sent', async (t) => {
  t.equal((await cli('send bob hi', as('alice'))).code, 0)
  const { out } = await cli('group create bob', as('alice'))
  const group = out.trim()
  const { code, err } = await cli('send bob secret', as('alice'))
  t.equal(code, 2)
  t.match(err, `Use @bob for the user, or the group's id: ${group}.`)
  const sentTo = async (to: string) => {
    const { out } = await cli(['send', to, 'clear', '--json'], as('alice'))
    return (JSON.parse(out) as { conversationId: string }).conversationId
  }
  t.equal(await sentTo(group), group)
  t.not(await sentTo('@bob'), group)
  // Somebody adds bob to a group that is named like a user whom bob has not met yet.
  await cli('register dave', as('dave'))
  t.equal((await cli('group create dave bob', as('alice'))).code, 0)
  t.match(await cli('send dave secret', as('bob')), { code: 2, err: /is the name of a user and of a group/ })
  t.equal((await cli('group create twice', as('alice'))).code, 0)
  t.equal((await cli('group create twice', as('alice'))).code, 0)
  t.match(await cli('send twice hi', as('alice')), { code: 2, err: /More than one group is named "twice"/ })
})

t.test('Every command has help with examples', async (t) => {
  const { code, out } = await cli('--help')
  t.equal(code, 0)
  for (const [, name] of out.matchAll(/^ {2}([a-z][a-z-]+)/gm)) {
    if (name === 'help') continue
    const help = await cli(`${name} --help`)
    t.equal(help.code, 0)
    t.match(help.out, /^Usage: secure-chat [a-z]+/)
    t.match(help.out, /^Examples:\n {2}\$ secure-chat /m, name!)
  }
})

t.test('While a group has no name that this device knows, a plain name goes to no user', async (t) => {
  const gina = await user('gina')
  await cli('register ops', as('stranger'))
  await cli('register hugo', as('hugo'))
  const { id } = await gina.createConversation('group', ['hugo'])
  t.match(await cli('send ops secret', as('hugo')), {
    code: 2,
    err: `Use @ops for the user, or the group's id: ${id}.`
  })
  t.match(await cli('send @gina hi', as('hugo')), { code: 0 })
  t.match(await cli('send gina hi', as('hugo')), { code: 0 }, 'a direct conversation is known')
})
