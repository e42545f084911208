import t from 'tap'
import { cheapKeys } from '../support/bad-input.js'
import { eventually } from '../support/eventually.js'
import { InteropClient } from '../support/interop/client.js'
import { expect } from '../support/interop/http.js'
import { startPostgres } from '../support/postgres.js'
import { startServer } from '../support/server-process.js'

const pg = await startPostgres(t)
if (pg !== undefined)
  t.test('Several processes print one link for the first account, which makes an admin', async (t) => {
    const env = { WORKERS: '2', REGISTRATION: 'invite' }
    const server = await startServer(t, { databaseUrl: await pg.newDatabase(), env })
    const links = () => [...server.output.matchAll(/#\/join\/(\S+) NAME/g)]
    await eventually(() => links().length > 0, 'the link')
    t.equal(links().length, 1)
    const alice = await InteropClient.create(server.url, 'alice', { keys: cheapKeys() })
    t.teardown(() => alice.close())
    t.match(expect(await alice.register(links()[0]![1]), 201).body.user, { role: 'admin' })
  })
