import t from 'tap'
import { startPostgres } from '../../../support/postgres.js'
import { startChat } from '../../../support/start-chat.js'
import { crowd, newcomer, outcome } from './newcomers.js'

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
}
