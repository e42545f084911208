import { existsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { sql } from 'drizzle-orm'
import { sessions } from '../../src/server/db/schema.js'
import { socketIn } from '../support/admin.js'
import { machine } from '../support/cli-process.js'
import { startChat } from '../support/start-chat.js'

const chat = await startChat(t)
const { dataDir } = chat.services.config.database
const home = await machine(t, chat.url)
const OPERATOR = { env: { DATA_DIR: dataDir } }
const PASSWORD = 'a wholly new password'

/** A command of the operator, at the socket. */
const operator = (line: string, given = OPERATOR) => home.run('nobody', ['admin', ...line.split(' ')], given)

t.test('The operator needs no account and no password: the socket is enough', async (t) => {
  await home.register('alice', 'bob')
  t.match(await operator('users list'), { code: 0, out: /^alice +since .*\nbob +since / })
  t.match(await operator('users promote alice'), { code: 0, err: /alice is an admin/ })
  t.match(await operator('users show alice --json'), { out: /"role":"admin".*"active":1/ })
  t.match(await operator('users list --prefix al --json'), { out: /^\{.*"username":"alice".*\}\n$/ })
})

t.test(
  'An admin administrates with the profile, and signs in again by key when the session is old',
  async (t) => {
    const line = ['admin', 'users', 'show', 'bob']
    t.match(await home.ok('alice', line), /name +bob/)
    await chat.services.db.update(sessions).set({ createdAt: sql`now() - interval '11 minutes'` })
    t.match(await home.ok('alice', line, { env: { SECURE_CHAT_PASSWORD: '' } }), /name +bob/)
    t.match(await home.run('bob', line), { code: 1, err: /Only an admin of the server/ })
  }
)

t.test('A message is purged by its id, and its readers see that the server has deleted one', async (t) => {
  const sent = JSON.parse(await home.ok('alice', ['send', 'bob', 'rude', '--json'])) as { id: string }
  t.match(await operator(`messages purge ${sent.id} --yes`), { code: 0, err: /is deleted/ })
  t.match(await operator(`messages purge ${crypto.randomUUID()} --yes`), { code: 1, err: /no message/ })
  t.match(await home.run('bob', ['history', 'alice']), { out: '', err: /has deleted a message from alice/ })
  const json = JSON.parse(await home.ok('bob', ['history', 'alice', '--json'])) as object
  t.match(json, { type: 'message-deleted', id: sent.id, from: 'alice' })
})

t.test('A user is suspended, resumed, and gets a new password', async (t) => {
  t.match(await operator('users suspend bob'), { code: 0 })
  t.match(await home.run('bob', ['conversations']), { code: 1, err: /suspended/ })
  t.match(await operator('users list'), { out: /bob .*suspended/ })
  t.match(await operator('users resume bob'), { code: 0 })
  t.match(await home.run('bob', ['conversations']), { code: 0 })
  const { out, err } = await operator('users reset-password bob')
  t.match(err, /secure-chat reset-password bob --url [^]*opens no earlier message/)
  const env = { SECURE_CHAT_RESET_TOKEN: out.trim(), SECURE_CHAT_PASSWORD: PASSWORD }
  t.match(await home.run('bob', ['reset-password', 'bob'], { env }), { code: 0, err: /password is set/ })
  t.match(await home.run('bob', ['reset-password', 'bob'], { env }), { code: 1, err: /cannot be used/ })
  t.match(await home.run('bob', ['conversations']), { code: 1, err: /wrong/ })
  t.match(await home.run('bob', ['login', 'bob'], { env }), { code: 0 })
  t.match(await operator('users sessions bob'), { out: /by password/ })
  t.match(await operator('users end-sessions bob'), { code: 0 })
  t.equal((await operator('users sessions bob')).out, '')
})

t.test('Scripts can run commands twice', async (t) => {
  t.match(await operator('users create bob'), { code: 2, err: /exists/ })
  t.match(await operator('users create bob --ignore-exists'), { code: 0, out: '' })
  t.match(await operator('users create carol'), { code: 0, out: /^http.*\/#\/join\/[A-Za-z0-9_-]+\n$/ })
  t.match(await operator('users delete carol --yes'), { code: 1, err: /no user carol/ })
  t.match(await operator('users delete carol --yes --ignore-missing'), { code: 0 })
  t.match(await operator('users delete bob --yes'), { code: 0, err: /erased/ })
  t.match(await operator('users list'), { out: /bob .*erased/ })
})

t.test('Invitations are made, listed and revoked', async (t) => {
  const { out } = await operator('invites create --uses 3 --days 2 --note friends --json')
  const { id, link } = JSON.parse(out) as { id: string; link: string }
  t.match(link, /\/#\/join\//)
  t.match(await operator('invites list'), { out: /0 of 3 used {2}by the operator {2}"friends"/ })
  t.match(await operator(`invites revoke ${id}`), { code: 0 })
  t.match(await operator('invites list'), { out: /revoked .*"friends"/ })
})

t.test('The server tells how much it has, what it takes and how it is set', async (t) => {
  t.match(await operator('stats'), {
    out: /users +2\nadmins +1\nsuspended +0\nerased +1\ndevices +1\nsessions +\d/
  })
  t.match(await operator('storage'), { out: /all +\d+\.\d MiB\n.*MiB/ })
  t.match(await operator('config'), { out: /^SERVER_HOST=127\.0\.0\.1$[^]*^JWT_SECRET=$/m })
})

t.test('The audit is listed and verified', async (t) => {
  t.match(await operator('audit list --action user.suspend'), { out: /\(operator\) {2}user\.suspend {2}bob/ })
  t.match(await operator('audit list --limit 1 --json'), { out: /^\{[^\n]*\}\n$/ })
  t.match(await operator('audit --actor alice'), { out: /alice {2}user\.show {2}bob/ })
  const { out } = await operator('audit verify')
  t.match(out, /^\d+:[0-9a-f]{64}\n$/)
  t.match(await operator(`audit verify --from ${out.trim()}`), { code: 0, err: /0 rows fit/ })
  await chat.services.db.execute(sql`alter table audit disable trigger user`)
  await chat.services.db.execute(sql`delete from audit where id = 3`)
  t.match(await operator('audit verify'), { code: 1, err: /Row 3 is gone/ })
})

t.test('A socket that is not there, or belongs to another user, is told in plain words', async (t) => {
  t.match(await operator(`--socket ${join(dataDir, 'none.sock')} stats`), {
    code: 2,
    err: /No server answers at the socket .*ENOENT[^]*--socket/
  })
  t.match(await home.run('nobody', ['admin', 'stats']), { code: 2, err: /no account in the profile/ })
})

t.test('The socket and its folder are for the owner only', (t) => {
  const socket = socketIn(dataDir)
  t.ok(existsSync(socket))
  t.equal(statSync(socket).mode & 0o777, 0o600)
  t.equal(statSync(join(socket, '..')).mode & 0o777, 0o700)
  t.end()
})

t.test('The operator sees what counts against a user, and takes it away', async (t) => {
  const strict = await startChat(t, { RATE_LIMIT: 'on', RATE_LIMIT_AUTH: '1000', INVITES_PER_DAY: '1' })
  const place = await machine(t, strict.url)
  await place.register('dora')
  const env = { DATA_DIR: strict.services.config.database.dataDir }
  const limits = (...more: string[]) =>
    place.run('nobody', ['admin', 'users', 'limits', 'dora', ...more], { env })
  t.match(await place.run('dora', ['invite']), { code: 0 })
  t.match(await place.run('dora', ['invite']), { code: 3, err: /1 invitations within 24 hours/ })
  t.match(await limits(), { code: 0, out: /^invites +1 of 1 +until /m })
  t.match(await limits('--json'), { out: /"name":"invites","used":1,"max":1,"until":"/ })
  t.match(await limits('--reset'), { code: 0, err: /Nothing counts against dora any more/ })
  t.notMatch((await limits()).out, /invites/)
  t.match(await place.run('dora', ['invite']), { code: 0 })
})

t.test('All users see a notice of the operator once, and not as a message', async (t) => {
  await home.register('nina', 'nick')
  t.match(await operator('announce Update'), { code: 0, err: /All users will see/ })
  await home.ok('nina', ['send', 'nick', 'hello'])
  const listen = (...more: string[]) => home.run('nick', ['listen', '--count', '1', ...more])
  const first = await listen()
  t.match(first, { code: 0, err: /^From the operator of the server, .*: Update$/m, out: /hello/ })
  t.notMatch(first.out, 'Update')
  await home.ok('nina', ['send', 'nick', 'again'])
  t.notMatch((await listen('--json')).err, 'Update')
  t.match(await operator('announce Tomorrow'), { code: 0 })
  t.match(await home.run('nick', ['login', 'nick']), { err: /operator.*Tomorrow/ })
  t.match(await operator('announce'), { code: 2, err: /Give a text, or --clear/ })
  t.match(await operator('announce --clear'), { code: 0, err: /There is no notice/ })
  t.notMatch((await home.run('nina', ['login', 'nina'])).err, 'operator')
})
