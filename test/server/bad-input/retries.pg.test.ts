import { randomUUID } from 'node:crypto'
import t from 'tap'
import { cheapKeys, startTarget } from '../../support/bad-input.js'
import { startPostgres } from '../../support/postgres.js'
import { chainRequest, creation, readChain, type Change } from '../../support/chain-requests.js'
import { envelope, member } from '../../support/conversations.js'
import { signed, statementText } from '../../support/interop/chains.js'
import { expect } from '../../support/interop/http.js'

const pg = await startPostgres(t)
if (pg !== undefined) {
  const env = { DATABASE_URL: await pg.newDatabase() }
  const first = await startTarget(t, env)
  const second = await startTarget(t, env)
  const alice = await first.user('alice')
  await first.user('bob')
  const there = await second.device('alice', { keys: alice.keys })
  there.accessToken = alice.accessToken

  /** The same request through both processes at once, twice each, `times` with new content; the statuses. */
  async function overtaken(
    times: number,
    request: () => Promise<[method: string, path: string, body: object]>
  ) {
    const rounds: string[] = []
    for (let round = 0; round < times; round++) {
      const [method, path, body] = await request()
      const tries = [alice, there, alice, there].map((client) => client.raw(method, path, { body }))
      rounds.push(
        (await Promise.all(tries))
          .map(({ status }) => status)
          .sort()
          .join(' ')
      )
    }
    return [...new Set(rounds)]
  }
  const { id, ...founded } = await creation(alice, 'group', [])
  expect(await alice.raw('POST', '/v1/conversations', { body: { id, ...founded } }), 201)

  const message = async (messageId: string, of = id) => ({ ...(await envelope(alice, of)), id: messageId })
  const messages = `/v1/conversations/${id}/messages`

  t.test('A retry that overtakes the first try is answered like any other', async (t) => {
    const sends = await overtaken(20, async () => ['POST', messages, await message(randomUUID())])
    t.strictSame(sends, ['200 200 200 201'], 'a message')

    const conversations = await overtaken(5, async () => [
      'POST',
      '/v1/conversations',
      await creation(alice, 'group', [])
    ])
    t.strictSame(conversations, ['201 201 201 201'], 'a conversation')

    let users = 0
    const direct = await overtaken(5, async () => {
      const { username } = await first.user(`carol${users++}`)
      return ['POST', '/v1/conversations', await creation(alice, 'direct', [username])]
    })
    t.strictSame(direct, ['201 201 201 201'], 'a direct conversation')
    const self = await overtaken(1, async () => [
      'POST',
      '/v1/conversations',
      await creation(alice, 'self', [])
    ])
    t.strictSame(self, ['201 201 201 201'], 'a conversation with oneself')

    const keys = await overtaken(5, async () => {
      const { key } = await chainRequest(alice, await readChain(alice, id), [])
      return ['POST', `/v1/conversations/${id}/session-keys`, key]
    })
    t.strictSame(keys, ['201 201 201 201'], 'a session key')

    const changes = await overtaken(4, async () => {
      const view = await readChain(alice, id)
      const change: Change = view.members.has('bob')
        ? ['remove', ['member', 'bob']]
        : ['add', await member(alice, 'bob')]
      return ['POST', `/v1/conversations/${id}/chain`, await chainRequest(alice, view, [change])]
    })
    t.strictSame(changes, ['201 201 201 201'], 'a change of members')

    const devices = await overtaken(3, async () => {
      const { sequence, head } = await alice.user('alice')
      const keys = cheapKeys()
      const deviceId = randomUUID()
      const text = statementText('device-add', [
        ['user', 'alice'],
        ['sequence', sequence + 1],
        ['previous', head],
        ['device', deviceId],
        ['purpose', 'chat'],
        ['signing-key', keys.signingFp],
        ['encryption-key', keys.encryptionFp],
        ['kem-key', '-'],
        ['encryption-version', 1]
      ])
      const { signingKey, encryptionKey } = keys
      const statement = signed(text, keys, alice.keys)
      return ['POST', '/v1/devices', { id: deviceId, name: 'phone', signingKey, encryptionKey, statement }]
    })
    t.strictSame(devices, ['200 200 200 201'], 'a device')
  })

  t.test('If different messages are sent under one id at the same moment, one is stored', async (t) => {
    for (let round = 0; round < 10; round++) {
      const bodies = await Promise.all(Array.from({ length: 4 }, () => message(randomUUID())))
      const tries = [alice, there, alice, there].map((client, n) =>
        client.raw('POST', messages, { body: { ...bodies[n], id: bodies[0]!.id } })
      )
      const statuses = (await Promise.all(tries)).map(({ status }) => status).sort()
      t.strictSame(statuses, [201, 409, 409, 409])
    }
  })

  t.test('None of these races leaves an error in the log', async (t) => {
    const errors = [...first.log, ...second.log].filter(
      (line) => (JSON.parse(line) as { level: number }).level >= 50
    )
    t.strictSame(errors, [])
  })
}
