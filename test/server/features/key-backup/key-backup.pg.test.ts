import { randomBytes } from 'node:crypto'
import t from 'tap'
import { startTarget } from '../../../support/bad-input.js'
import { startPostgres } from '../../../support/postgres.js'
import type { InteropClient } from '../../../support/interop/client.js'

const PATH = '/v1/users/me/key-backup'

const pg = await startPostgres(t)
if (pg !== undefined) {
  const env = { DATABASE_URL: await pg.newDatabase() }
  const first = await startTarget(t, env)
  const second = await startTarget(t, env)
  const alice = await first.user('alice')
  const there = await second.device('alice', { keys: alice.keys })
  there.accessToken = alice.accessToken
  /** The same user through two processes, each on two connections. */
  const clients = [alice, there, alice, there]

  const put = (of: InteropClient, body: Uint8Array, headers: Record<string, string>) =>
    of.raw('PUT', PATH, { body, headers: { 'content-type': 'application/octet-stream', ...headers } })
  const remove = (of: InteropClient, etag: string) =>
    of.raw('DELETE', PATH, { headers: { 'if-match': etag } })
  const etag = async () => (await alice.raw('HEAD', PATH)).headers.etag

  t.test('If two first backups are stored at the same moment, one is kept', async (t) => {
    for (let round = 0; round < 10; round++) {
      const answers = await Promise.all(
        clients.map((of) => put(of, randomBytes(200_000), { 'if-none-match': '*' }))
      )
      t.strictSame(answers.map(({ status }) => status).sort(), [201, 412, 412, 412])
      const kept = answers.find(({ status }) => status === 201)!.headers.etag!
      t.equal(await etag(), kept)
      t.equal((await remove(there, kept)).status, 204)
    }
  })

  t.test('If two changes to a backup are made at the same moment, one succeeds', async (t) => {
    let present = (await put(alice, randomBytes(100), { 'if-none-match': '*' })).headers.etag!
    for (let round = 0; round < 20; round++) {
      const answers = await Promise.all(
        clients.map((of) => put(of, randomBytes(200_000), { 'if-match': present }))
      )
      t.strictSame(answers.map(({ status }) => status).sort(), [204, 412, 412, 412])
      present = answers.find(({ status }) => status === 204)!.headers.etag!
      t.equal(await etag(), present)
    }
  })

  t.test(
    'If a backup is replaced and deleted at the same moment, one succeeds and the other is refused',
    async (t) => {
      const seen = new Set<string>()
      for (let round = 0; round < 20; round++) {
        const present =
          (await etag()) ?? (await put(alice, randomBytes(9), { 'if-none-match': '*' })).headers.etag!
        const [replaced, deleted] = await Promise.all([
          put(alice, randomBytes(9), { 'if-match': present }),
          remove(there, present)
        ])
        const outcome = `${replaced.status} ${deleted.status}`
        t.ok(['204 412', '412 204'].includes(outcome), outcome)
        t.equal(await etag(), outcome === '204 412' ? replaced.headers.etag : undefined)
        seen.add(outcome)
      }
      t.comment([...seen].join(', '))
    }
  )

  t.test('A retry that overtakes the first try is answered like any other', async (t) => {
    for (let round = 0; round < 10; round++) {
      const present = await etag()
      const blob = randomBytes(100)
      const condition = present === undefined ? { 'if-none-match': '*' } : { 'if-match': present }
      const answers = await Promise.all(clients.map((of) => put(of, blob, condition)))
      t.strictSame(
        answers.map(({ status }) => status).sort(),
        present === undefined ? [201, 204, 204, 204] : [204, 204, 204, 204]
      )
      if (round % 2 === 1) await remove(there, (await etag())!)
    }
  })

  t.test('None of these races leaves an error in the log', async (t) => {
    const errors = [...first.log, ...second.log].filter(
      (line) => (JSON.parse(line) as { level: number }).level >= 50
    )
    t.strictSame(errors, [])
  })
}
