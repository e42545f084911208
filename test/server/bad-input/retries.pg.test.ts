import { randomBytes, randomUUID } from 'node:crypto'
import t from 'tap'
import { cheapKeys, startTarget } from '../../support/bad-input.js'
import { startPostgres } from '../../support/postgres.js'
import { signed, statementHash, statementText } from '../../support/interop/chains.js'
import { expect } from '../../support/interop/http.js'

const pg = await startPostgres(t)
if (pg !== undefined) {
  const env = { DATABASE_URL: await pg.newDatabase() }
  const first = await startTarget(t, env)
  const second = await startTarget(t, env)
  const alice = await first.user('alice')
  const bob = await first.user('bob')
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
  const group = (id: string, by = alice) =>
    signed(
      statementText('conversation-create', [
        ['conversation', id],
        ['sequence', 1],
        ['previous', '-'],
        ['kind', 'group'],
        ['member', `alice admin ${by.keys.signingFp}`],
        ['by', by.keys.signingFp]
      ]),
      by.keys
    )
  const id = randomUUID()
  const key = (of: string) =>
    alice.makeKey(of, statementHash(group(of)), [
      { deviceId: alice.deviceId, signingKey: alice.keys.signingFp, encryptionKey: alice.keys.encryptionKey }
    ])
  const { body: sessionKey } = key(id)
  expect(
    await alice.raw('POST', '/v1/conversations', { body: { id, statement: group(id), sessionKey } }),
    201
  )

  const message = (messageId: string) => ({
    id: messageId,
    sessionKeyId: sessionKey.id,
    iv: randomBytes(12).toString('base64'),
    ciphertext: randomBytes(300).toString('base64'),
    signature: randomBytes(64).toString('base64')
  })
  const messages = `/v1/conversations/${id}/messages`

  t.test('A retry that overtakes the first try is answered like any other', async (t) => {
    const sends = await overtaken(20, async () => ['POST', messages, message(randomUUID())])
    t.strictSame(sends, ['200 200 200 201'], 'a message')

    const conversations = await overtaken(5, async () => {
      const of = randomUUID()
      return ['POST', '/v1/conversations', { id: of, statement: group(of), sessionKey: key(of).body }]
    })
    t.strictSame(conversations, ['200 200 200 201'], 'a conversation')

    const path = `/v1/conversations/${id}/session-keys`
    const keys = await overtaken(5, async () => ['POST', path, key(id).body])
    t.strictSame(keys, ['200 200 200 201'], 'a session key')

    const changes = await overtaken(4, async () => {
      const { sequence, head, members } = await alice.chain(id)
      const [kind, about] = members.has('bob')
        ? ['conversation-remove', 'bob']
        : ['conversation-add', `bob member ${bob.keys.signingFp}`]
      const text = statementText(kind, [
        ['conversation', id],
        ['sequence', sequence + 1],
        ['previous', head],
        ['member', about],
        ['by', alice.keys.signingFp]
      ])
      return ['POST', `/v1/conversations/${id}/chain`, { statement: signed(text, alice.keys) }]
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
        ['signing-key', keys.signingFp],
        ['encryption-key', keys.encryptionFp],
        ['encryption-version', 1]
      ])
      const { signingKey, encryptionKey } = keys
      const statement = signed(text, keys, alice.keys)
      return ['POST', '/v1/devices', { id: deviceId, name: 'phone', signingKey, encryptionKey, statement }]
    })
    t.strictSame(devices, ['200 200 200 201'], 'a device')
  })

  t.test('If different messages are sent under one id at the same moment, one is stored', async (t) => {
    const { id: of } = await alice.createConversation('group', [])
    const sessionKeyId = alice.currentKey.get(of)
    const path = `/v1/conversations/${of}/messages`
    for (let round = 0; round < 10; round++) {
      const messageId = randomUUID()
      const tries = [alice, there, alice, there].map((client) =>
        client.raw('POST', path, { body: { ...message(messageId), sessionKeyId } })
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
