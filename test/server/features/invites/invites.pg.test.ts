import t from 'tap'
import { inviteFirstAccount } from '../../../../src/server/access/first-account.js'
import { invites } from '../../../../src/server/db/schema.js'
import { startPostgres } from '../../../support/postgres.js'
import { startChat } from '../../../support/start-chat.js'
import { crowd, newcomer, operatorInvite, outcome } from './newcomers.js'

const pg = await startPostgres(t)
if (pg !== undefined) {
  t.test('On PostgreSQL, too, 100 at once get no more accounts than the invitation has uses', async (t) => {
    const env = { REGISTRATION: 'invite', PASSWORD_QUEUE: '200', DATABASE_URL: await pg.newDatabase() }
    const counted = await crowd(t, await startChat(t, env), { many: 100, maxUses: 10 })
    t.same(counted, { 201: 10, '403 invitation-unavailable': 90 })
  })

  t.test('One of many first registrations at once is an admin’s', async (t) => {
    const chat = await startChat(t, { DATABASE_URL: await pg.newDatabase(), REGISTRATION: 'open' })
    const clients = await Promise.all(Array.from({ length: 12 }, (_, at) => newcomer(t, chat, `early-${at}`)))
    const answers = await Promise.all(clients.map((one) => one.register()))
    t.same(new Set(answers.map(outcome)), new Set(['201']))
    const roles = answers.map(({ body }) => (body.user as { role?: string }).role)
    t.equal(roles.filter((role) => role === 'admin').length, 1)
  })

  t.test('Starts at the same time leave one link for the first account', async (t) => {
    const chat = await startChat(t, { REGISTRATION: 'invite', DATABASE_URL: await pg.newDatabase() })
    const links = await Promise.all(Array.from({ length: 4 }, () => inviteFirstAccount(chat.services.db)))
    const made = await chat.services.db.select({ id: invites.id }).from(invites)
    t.equal(made.length, 1)
    const clients = await Promise.all(links.map((_, at) => newcomer(t, chat, `first-${at}`)))
    const answers = await Promise.all(clients.map((one, at) => one.register(links[at]!)))
    t.strictSame(answers.map(outcome).sort(), ['201', ...Array<string>(3).fill('403 invitation-unavailable')])
  })

  t.test('An operator who has let somebody in has made the link for the first account void', async (t) => {
    const chat = await startChat(t, { REGISTRATION: 'invite', DATABASE_URL: await pg.newDatabase() })
    const link = (await inviteFirstAccount(chat.services.db))!
    const [alice, mallory] = [await newcomer(t, chat, 'alice'), await newcomer(t, chat, 'mallory')]
    t.equal(outcome(await alice.register(await operatorInvite(chat, { role: 'admin' }))), '201')
    t.equal(outcome(await mallory.register(link)), '403 invitation-unavailable')
  })
}
