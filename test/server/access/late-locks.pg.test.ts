import { eq } from 'drizzle-orm'
import t, { type Test } from 'tap'
import { audit, devices, events } from '../../../src/server/db/schema.js'
import { operatorOf } from '../../support/admin.js'
import { cheapKeys } from '../../support/bad-input.js'
import { areHeldUp, LockHolder } from '../../support/database-locks.js'
import { erase } from '../../support/erasure.js'
import { eventually } from '../../support/eventually.js'
import { InteropClient } from '../../support/interop/client.js'
import { expect, problem, type Answer } from '../../support/interop/http.js'
import { anotherSession, conversation, sessionId, user } from '../../support/people.js'
import { startPostgres } from '../../support/postgres.js'
import { SignedChain } from '../../support/signed-chain.js'
import { startChat } from '../../support/start-chat.js'

type Call = () => Promise<Answer<unknown>>

const pg = await startPostgres(t)
if (pg !== undefined) {
  const chat = await startChat(t, { DATABASE_URL: pg.url })
  const { db } = chat.services
  const operate = operatorOf(chat)
  const bystander = await user(t, chat, 'bystander')
  const said = (answer: Answer<unknown>) => `${answer.status} ${problem(answer)}`.trim()

  /** Make both calls wait for a lock, the first one in front. @returns what the second one is answered */
  async function after(t: Test, { held, first, second }: { held: string; first: Call; second: Call }) {
    const holder = await LockHolder.connect(t, pg!.url)
    await holder.client.query('begin')
    await holder.client.query(held)
    const done = first()
    await areHeldUp(db, 1)
    const late = second()
    await areHeldUp(db, 2)
    await holder.client.query('commit')
    t.match(said(await done), /^20\d$/)
    return said(await late)
  }

  /** Ids of the messages that have come to the log. */
  const queued = new Set<string>()
  const { log } = chat.services
  const { send } = log
  log.send = (messages) => {
    for (const message of messages) queued.add(message.id)
    return send(messages)
  }

  const accountOf = ({ username }: InteropClient) =>
    `select from users where username = '${username}' for no key update`

  /** Another device of a user, in a session of its own that has no device. */
  async function newDevice(of: InteropClient): Promise<InteropClient> {
    const device = await InteropClient.create(chat.url, of.username, {
      keys: cheapKeys(),
      password: of.password
    })
    t.teardown(() => device.close())
    await device.login(false)
    return device
  }

  const next = 'another long enough passphrase'
  const changePassword = (who: InteropClient) =>
    who.raw('POST', '/v1/auth/password', { body: { currentPassword: who.password, newPassword: next } })

  const storeBackup = (who: InteropClient) =>
    who.raw('PUT', '/v1/users/me/key-backup', {
      headers: { 'content-type': 'application/octet-stream', 'if-none-match': '*' },
      body: Buffer.from('sealed keys')
    })

  /** A direct conversation that waits for an answer. */
  async function requested(who: InteropClient): Promise<string> {
    expect(await who.raw('PATCH', '/v1/users/me', { body: { contactPolicy: 'requests' } }), 200)
    return conversation(bystander, [who], 'direct')
  }

  /** Each prepares a call of somebody, by what it does. */
  const acts: Record<string, (who: InteropClient) => Call | Promise<Call>> = {
    'adds a device': async (who) => {
      const device = await newDevice(who)
      return () => device.addDevice(who.keys)
    },
    'asks for a device': async (who) => {
      const device = await newDevice(who)
      return () => device.addDevice()
    },
    'resets a chain': async (who) => {
      const device = await newDevice(who)
      return () => device.reset()
    },
    'resets a chain as after a restore': async (who) => {
      const [device, chain] = [await newDevice(who), new SignedChain(who)]
      chain.reset()
      return () => chain.post(device, 1)
    },
    'replaces keys': (who) => () => who.rekey(cheapKeys({ signing: who.keys.signingPrivate })),
    'revokes a device': (who) => () => who.revoke(who.deviceId),
    'changes the password': (who) => () => changePassword(who),
    'changes settings': (who) => () =>
      who.raw('PATCH', '/v1/users/me', { body: { contactPolicy: 'nobody' } }),
    'blocks somebody': (who) => () => who.raw('PUT', '/v1/users/me/blocks/bystander'),
    'unblocks somebody': (who) => () => who.raw('DELETE', '/v1/users/me/blocks/bystander'),
    'stores a key backup': (who) => () => storeBackup(who),
    'deletes a key backup': async (who) => {
      const { headers } = await storeBackup(who)
      const match = { 'if-match': headers.etag! }
      return () => who.raw('DELETE', '/v1/users/me/key-backup', { headers: match })
    },
    'makes an invitation': (who) => () => who.raw('POST', '/v1/invites', { body: {} }),
    'accepts a request': async (who) => {
      const path = `/v1/conversations/${await requested(who)}/acceptance`
      return () => who.raw('POST', path)
    },
    'declines a request': async (who) => {
      const path = `/v1/conversations/${await requested(who)}/acceptance`
      return () => who.raw('DELETE', path)
    },
    'erases an account': (who) => () => erase(who)
  }

  for (const [n, [what, prepare]] of Object.entries(acts).entries())
    t.test(`Nobody ${what} who is suspended while the call waits`, async (t) => {
      const who = await user(t, chat, `suspended${n}`)
      const second = await prepare(who)
      const first = () => operate('PUT', `/users/${who.username}/suspension`)
      t.equal(await after(t, { held: accountOf(who), first, second }), '401 session-ended')
    })

  t.test('A device that asks to come in while the account is erased leaves nothing', async (t) => {
    const who = await user(t, chat, 'erased')
    const device = await newDevice(who)
    const first = () => operate('DELETE', '/users/erased')
    const late = await after(t, { held: accountOf(who), first, second: () => device.addDevice(who.keys) })
    t.equal(late, '401 session-ended')
    t.strictSame(
      (await db.select().from(devices).where(eq(devices.userId, who.userId))).map(({ name }) => name),
      ['']
    )
  })

  t.test('An export that begins while the account is erased leaves no address', async (t) => {
    const who = await user(t, chat, 'exporter')
    const first = () => operate('DELETE', '/users/exporter')
    const second = () => who.raw('GET', '/v1/users/me/export')
    const late = await after(t, { held: 'lock table audit in exclusive mode', first, second })
    t.equal(late, '401 session-ended')
    const left = await db.select().from(audit).where(eq(audit.actor, who.userId))
    t.strictSame(
      left.map(({ address }) => address).filter((address) => address !== null),
      []
    )
  })

  t.test('An export whose session ends before its first line is refused', async (t) => {
    const who = await user(t, chat, 'quitter')
    const [begin, lines] = [await LockHolder.connect(t, pg.url), await LockHolder.connect(t, pg.url)]
    for (const { client } of [begin, lines]) await client.query('begin')
    await begin.client.query('lock table audit in exclusive mode')
    const exported = who.raw('GET', '/v1/users/me/export')
    await begin.holdsUp('audit')
    const isLocked = lines.client.query('lock table users in access exclusive mode')
    await lines.isHeldUp()
    await begin.client.query('commit')
    await isLocked
    await lines.holdsUp('json_build_array')
    await lines.client.query('delete from sessions where user_id = $1', [who.userId])
    chat.services.sessions.forget(sessionId(who))
    await lines.client.query('commit')
    t.equal(said(await exported), '401 session-ended')
  })

  t.test('A new password keeps out whoever takes the account over with the old one', async (t) => {
    const owner = await user(t, chat, 'owner')
    const thief = await newDevice(owner)
    const first = () => changePassword(owner)
    const late = await after(t, { held: accountOf(owner), first, second: () => thief.reset() })
    t.equal(late, '401 session-ended')
  })

  t.test('A suspended user changes no conversation', async (t) => {
    const who = await user(t, chat, 'changer')
    const id = await conversation(who, [bystander])
    await who.roster(id)
    const holder = await LockHolder.connect(t, pg.url)
    await holder.client.query('begin')
    await holder.client.query(`select from conversations where id = '${id}' for update`)
    const late = who.newKey(id)
    await areHeldUp(db, 1)
    t.equal(said(await operate('PUT', '/users/changer/suspension')), '204')
    await holder.client.query('commit')
    t.equal(said(await late), '401 session-ended')
  })

  for (const [kind, path, bodyOf] of [
    ['message', 'messages', (sealed: object) => sealed],
    ['batch', 'messages/batch', (sealed: object) => ({ messages: [sealed] })]
  ] as const)
    t.test(
      `A ${kind} that waits for those before it is not stored once its sender is suspended`,
      async (t) => {
        const who = await user(t, chat, `sends-${kind}`)
        const id = await conversation(who, [])
        const [first, second] = [who.seal(id, 'one'), who.seal(id, 'two')]
        const holder = await LockHolder.connect(t, pg.url)
        await holder.client.query('begin')
        await holder.client.query(`select from conversations where id = '${id}' for update`)
        const underWay = who.post(id, first)
        await areHeldUp(db, 1)
        const waiting = who.raw('POST', `/v1/conversations/${id}/${path}`, { body: bodyOf(second) })
        await eventually(() => queued.has(second.id), 'the second one waits')
        t.equal(said(await operate('PUT', `/users/${who.username}/suspension`)), '204')
        await holder.client.query('commit')
        await underWay
        t.equal(said(await waiting), '401 session-ended')
        const ids = (await db.select({ id: events.messageId }).from(events)).map((row) => row.id)
        t.notOk(ids.includes(second.id))
      }
    )

  t.test('A request that is accepted while the receiver is leaving waits, and holds up nobody', async (t) => {
    const who = await user(t, chat, 'leaver')
    expect(await who.raw('PATCH', '/v1/users/me', { body: { contactPolicy: 'requests' } }), 200)
    const id = await conversation(bystander, [who])
    const first = () => who.leave(id)
    const second = () => who.raw('POST', `/v1/conversations/${id}/acceptance`)
    const held = 'select from log_head for update'
    t.equal(await after(t, { held, first, second }), '404 conversation-not-found')
  })

  t.test('A session that ends while its call waits changes nothing', async (t) => {
    const owner = await user(t, chat, 'ender')
    const other = await anotherSession(t, owner)
    const holder = await LockHolder.connect(t, pg.url)
    await holder.client.query('begin')
    await holder.client.query(accountOf(owner))
    const late = changePassword(other)
    await areHeldUp(db, 1)
    t.equal(said(await other.logout()), '204')
    await holder.client.query('commit')
    t.equal(said(await late), '401 session-ended')
  })
}
