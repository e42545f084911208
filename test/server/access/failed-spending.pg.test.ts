import { randomBytes } from 'node:crypto'
import pg from 'pg'
import t from 'tap'
import type { CountedLimits } from '../../../src/protocol/admin.js'
import { operatorOf } from '../../support/admin.js'
import { areHeldUp, LockHolder } from '../../support/database-locks.js'
import { creation } from '../../support/chain-requests.js'
import { post } from '../../support/conversations.js'
import { expect, problem, type Answer } from '../../support/interop/http.js'
import type { InteropClient } from '../../support/interop/client.js'
import { user } from '../../support/people.js'
import { startPostgres } from '../../support/postgres.js'
import { startChat } from '../../support/start-chat.js'

/** SQLSTATEs of a server that shuts down, and of a deadlock. */
const [AWAY, DEADLOCK] = ['57P01', '40P01']

const postgres = await startPostgres(t)
if (postgres !== undefined) {
  const chat = await startChat(t, {
    DATABASE_URL: postgres.url,
    RATE_LIMIT: 'on',
    RATE_LIMIT_AUTH: '1000',
    CONTACT_POLICY: 'requests'
  })
  const bob = await user(t, chat, 'bob')
  const client = new pg.Client({ connectionString: postgres.url })
  await client.connect()
  t.teardown(() => client.end())
  await client.query(`
create sequence failures;
create function fail_once() returns trigger language plpgsql as $$
begin
  if nextval('failures') = 1 then raise 'it fails once' using errcode = tg_argv[0]; end if;
  return null;
end $$`)

  /** Let the next transaction that inserts into a table fail when it commits. */
  async function fails(table: string, state: string): Promise<() => Promise<unknown>> {
    await client.query(`
alter sequence failures restart;
create constraint trigger fail after insert on ${table} deferrable initially deferred
  for each row execute function fail_once('${state}')`)
    return () => client.query(`drop trigger fail on ${table}`)
  }

  async function used({ username }: InteropClient, limit: string): Promise<number> {
    const answer = await operatorOf(chat)<CountedLimits>('GET', `/users/${username}/limits`)
    return expect(answer, 200).body.items.find(({ name }) => name === limit)?.used ?? 0
  }

  const create = async (by: InteropClient, kind: 'group' | 'direct', others: string[]) =>
    post(by, '/v1/conversations', await creation(by, kind, others))

  /** Calls that spend one of a limit, by its name, and the table into which they insert. */
  const spending: Record<string, [table: string, call: (by: InteropClient) => Promise<Answer<unknown>>]> = {
    invites: ['invites', (by) => post(by, '/v1/invites', {})],
    exports: ['audit', (by) => by.raw('GET', '/v1/users/me/export')],
    groups: ['conversations', (by) => create(by, 'group', [])],
    requests: ['conversations', (by) => create(by, 'direct', ['bob'])],
    'device-logins': ['sessions', (by) => by.signInWithKey()]
  }
  for (const [limit, [table, call]] of Object.entries(spending)) {
    t.test(`Nothing of the limit ${limit} is spent if the database fails`, async (t) => {
      const alice = await user(t, chat, `alice-${limit}`)
      const mend = await fails(table, AWAY)
      t.equal((await call(alice)).status, 503)
      await mend()
      t.equal(await used(alice, limit), 0)
      expect(await call(alice), 200, 201)
      t.equal(await used(alice, limit), 1)
    })

    t.test(`A call of the limit ${limit} that the database begins again counts once`, async (t) => {
      const carol = await user(t, chat, `carol-${limit}`)
      const mend = await fails(table, DEADLOCK)
      expect(await call(carol), 200, 201)
      await mend()
      t.equal(await used(carol, limit), 1)
    })
  }

  t.test(
    'A direct conversation that the other user has begun at the same moment is no request',
    async (t) => {
      const [dave, erin] = [await user(t, chat, 'dave'), await user(t, chat, 'erin')]
      const holder = await LockHolder.connect(t, postgres.url)
      await holder.client.query('begin; lock table conversations in share mode')
      const calls = [create(dave, 'direct', ['erin']), create(erin, 'direct', ['dave'])]
      await areHeldUp(chat.services.db, 2)
      await holder.client.query('commit')
      const answers = await Promise.all(calls)
      t.strictSame(answers.map(({ status }) => status).sort(), [201, 409])
      t.equal((await used(dave, 'requests')) + (await used(erin, 'requests')), 1)
    }
  )

  const token = () => randomBytes(16).toString('base64url')
  /** Calls with a guess that is wrong, by the table in which the server looks, and how many may be wrong. */
  const guesses: Record<string, [most: number, call: () => Promise<Answer<unknown>>]> = {
    password_resets: [
      10,
      () => {
        const body = { username: 'bob', token: token(), newPassword: 'a new long enough passphrase' }
        return bob.raw('POST', '/v1/auth/password-reset', { body, token: null })
      }
    ],
    invites: [
      30,
      () => {
        const body = { username: 'newcomer', invite: token() }
        return bob.raw('POST', '/v1/auth/register/check', { body, token: null })
      }
    ]
  }
  for (const [table, [most, call]] of Object.entries(guesses))
    t.test(`A look into ${table} that the database does not answer is no failed guess`, async (t) => {
      for (let n = 1; n < most; n++) t.match(problem(await call()), /unavailable$/)
      const holder = await LockHolder.connect(t, postgres.url)
      await holder.client.query(`begin; lock table ${table}`)
      const held = call()
      await holder.holdsUp()
      await holder.cancelHeldUp()
      t.equal((await held).status, 503)
      await holder.client.query('commit')
      t.match(problem(await call()), /unavailable$/)
      t.equal(problem(await call()), 'too-many-requests')
    })
}
