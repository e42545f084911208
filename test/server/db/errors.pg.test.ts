import pg from 'pg'
import t from 'tap'
import { isDatabaseDown } from '../../../src/server/db/errors.js'
import { startPostgres } from '../../support/postgres.js'

const postgres = await startPostgres(t)
if (postgres !== undefined) {
  t.test(
    'A statement with too many parameters is a fault of the program, and no database that is away',
    async (t) => {
      const client = new pg.Client({ connectionString: postgres.url })
      client.on('error', () => undefined)
      await client.connect()
      const error: unknown = await client
        .query(
          `select $1::int`,
          Array.from({ length: 65_536 + 1 }, () => 1)
        )
        .catch((error: unknown) => error)
      t.match(error, { code: '08P01' })
      t.equal(isDatabaseDown(error), false)
      await client.end()
    }
  )

  t.test('A database that ends its connections is away', async (t) => {
    const client = new pg.Client({ connectionString: postgres.url })
    client.on('error', () => undefined)
    await client.connect()
    const error: unknown = await client
      .query('select pg_terminate_backend(pg_backend_pid())')
      .catch((error: unknown) => error)
    t.equal(isDatabaseDown(error), true)
    await client.end().catch(() => undefined)
  })
}
