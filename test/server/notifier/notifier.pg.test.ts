import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import t from 'tap'
import type { Notifier } from '../../../src/server/notifier/notifier.js'
import { postgresNotifier } from '../../../src/server/notifier/postgres.js'
import { redisNotifier } from '../../../src/server/notifier/redis.js'
import { createLogger } from '../../../src/server/logger.js'
import { eventually } from '../../support/eventually.js'
import { anotherSession, conversation, user } from '../../support/people.js'
import { findPostgres } from '../../support/postgres.js'
import { Redis } from '../../support/redis.js'
import { startServer } from '../../support/server-process.js'
import { expect } from '../../support/interop/http.js'

interface Carrier {
  name: string
  open: () => Notifier
  /** Break all connections that are open. */
  cut: () => Promise<void>
}

const logger = createLogger('silent')

/** How often it was told to look. */
class Listener {
  notices = 0
  constructor(notifier: Notifier, topic: 'log' | 'presence') {
    notifier.listen(topic, () => this.notices++)
  }
}

function holds({ name, open, cut }: Carrier): void {
  const two = () => {
    const notifiers = [open(), open()] as const
    return { notifiers, close: () => Promise.all(notifiers.map((notifier) => notifier.close())) }
  }

  t.test(`${name}: a notice reaches the others that listen for it, and not its sender`, async (t) => {
    const { notifiers, close } = two()
    t.teardown(close)
    const [here, there] = [new Listener(notifiers[0], 'log'), new Listener(notifiers[1], 'log')]
    const elsewhere = new Listener(notifiers[1], 'presence')
    await eventually(() => here.notices === 1 && there.notices === 1, 'each looks once it is connected')
    notifiers[0].notify('log')
    await eventually(() => there.notices === 2)
    await sleep(100)
    t.strictSame([here.notices, there.notices, elsewhere.notices], [1, 2, 1])
  })

  t.test(
    `${name}: a listener that was cut off reconnects, and looks for events that it may have missed`,
    async (t) => {
      const { notifiers, close } = two()
      t.teardown(close)
      const listeners = notifiers.map((notifier) => new Listener(notifier, 'log'))
      await eventually(() => listeners.every(({ notices }) => notices === 1))
      await cut()
      await eventually(() => listeners.every(({ notices }) => notices >= 2), 'both look again')
      const before = listeners[1]!.notices
      notifiers[0].notify('log')
      await eventually(() => listeners[1]!.notices > before, 'notices come through again')
    }
  )

  t.test(`${name}: a notifier that is closed before it is connected does not reconnect`, async (t) => {
    const notifier = open()
    const listener = new Listener(notifier, 'log')
    await notifier.close()
    await sleep(500)
    t.equal(listener.notices, 0)
  })
}

const postgres = await findPostgres(t)
if (typeof postgres !== 'string')
  holds({
    name: 'LISTEN and NOTIFY',
    open: () => postgresNotifier({ connectionString: postgres.url }, logger),
    async cut() {
      const client = new pg.Client({ connectionString: postgres.url })
      await client.connect()
      await client.query(
        'select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()'
      )
      await client.end()
    }
  })

const redis = await Redis.find(t)
if (typeof redis !== 'string') {
  holds({
    name: 'Redis',
    open: () => redisNotifier(redis.url, 'a-log', logger),
    async cut() {
      await redis.kill()
      await redis.start()
    }
  })

  t.test('Redis: notices of one log do not reach another', async (t) => {
    const [here, there] = [
      redisNotifier(redis.url, 'here', logger),
      redisNotifier(redis.url, 'there', logger)
    ]
    t.teardown(() => Promise.all([here.close(), there.close()]))
    const listener = new Listener(there, 'log')
    await eventually(() => listener.notices === 1)
    here.notify('log')
    await sleep(200)
    t.equal(listener.notices, 1)
  })

  t.test('Redis: a server that hangs is given up, and tried again', async (t) => {
    process.kill(redis.pid, 'SIGSTOP')
    const lines: string[] = []
    const notifier = redisNotifier(
      redis.url,
      'a-log',
      createLogger('warn', { write: (line) => lines.push(line) })
    )
    t.teardown(() => notifier.close())
    const listener = new Listener(notifier, 'log')
    await eventually(() => lines.some((line) => line.includes('lost its connection')))
    process.kill(redis.pid, 'SIGCONT')
    await eventually(() => listener.notices === 1)
  })
}

if (typeof postgres !== 'string' && typeof redis !== 'string')
  t.test(
    'Servers with REDIS_URL learn of each other’s messages, presence and sessions through Redis',
    async (t) => {
      const databaseUrl = await postgres.newDatabase()
      // Without polls only the notifier carries events between processes.
      const env = { REDIS_URL: redis.url, POLL_INTERVAL: '60000' }
      const here = await startServer(t, { databaseUrl, env })
      const there = await startServer(t, { databaseUrl, env })
      const alice = await user(t, here, 'alice')
      const bob = await user(t, there, 'bob')
      const id = await conversation(alice, [bob])
      const stream = await bob.live()
      const own = await alice.live()
      await stream.waitFor(({ event, data }) => event === 'presence' && data['username'] === 'alice')
      for (let i = 0; i < 10; i++) expect(await alice.post(id, alice.seal(id, `m${i}`)), 201)
      await stream.until(() => stream.received.filter(({ event }) => event === 'message').length === 10)

      await redis.kill()
      expect(await alice.post(id, alice.seal(id, 'unheard')), 201)
      await sleep(300)
      t.equal(stream.received.filter(({ event }) => event === 'message').length, 10)
      await redis.start()
      await stream.until(() => stream.received.filter(({ event }) => event === 'message').length === 11)

      const session = await anotherSession(t, bob)
      session.base = here.url
      const elsewhere = await session.live()
      session.base = there.url
      expect(await session.logout(), 204)
      await elsewhere.waitFor(({ event }) => event === 'session.ended')
      own.close()
      await stream.waitFor(({ event, data }) => event === 'presence' && data['online'] === false)
      const config = await sql(databaseUrl, "select query from pg_stat_activity where query ~* '^listen'")
      t.strictSame(config, [], 'nobody listens at PostgreSQL')
    }
  )

async function sql(connectionString: string, text: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString })
  await client.connect()
  const { rows } = await client.query(text)
  await client.end()
  return rows as unknown[]
}
