import { randomUUID } from 'node:crypto'
import pg from 'pg'
import t from 'tap'
import { parseStatement } from '../../../../src/protocol/parse-statement.js'
import { SEND, sendValues, type SendRow } from '../../../../src/server/log/store-messages.js'
import { cheapKeys } from '../../../support/bad-input.js'
import { chainRequest, creation, readChain } from '../../../support/chain-requests.js'
import { LockHolder } from '../../../support/database-locks.js'
import { envelope, found, hashOf, newKey, post, say } from '../../../support/conversations.js'
import type { Statement } from '../../../support/interop/chains.js'
import { expect, problem, type Answer } from '../../../support/interop/http.js'
import { InteropClient } from '../../../support/interop/client.js'
import { anotherSession, sessionId, user } from '../../../support/people.js'
import { startPostgres } from '../../../support/postgres.js'
import { startServer } from '../../../support/server-process.js'

const ROUNDS = 15

const postgres = await startPostgres(t)
if (postgres !== undefined) {
  const databaseUrl = await postgres.newDatabase()
  const [one, other] = [await startServer(t, { databaseUrl }), await startServer(t, { databaseUrl })]
  const alice = await user(t, one, 'alice')
  const bob = await user(t, other, 'bob')
  const carol = await user(t, one, 'carol')
  const elsewhere = await anotherSession(t, alice, other.url)
  const outcome = (answer: Answer<unknown>) => `${answer.status} ${problem(answer)}`.trim()

  t.test('The same creation twice at once is confirmed twice', async (t) => {
    for (let round = 0; round < ROUNDS; round++) {
      const dora = await user(t, one, `dora${round}`)
      const body = await creation(alice, 'direct', [dora.username])
      const answers = await Promise.all(
        [alice, elsewhere, alice, elsewhere].map((by) => post(by, '/v1/conversations', body))
      )
      t.strictSame(answers.map(outcome), ['201', '201', '201', '201'])
    }
  })

  t.test(
    'One of two `self` conversations at once from two devices counts, and repeats are confirmed',
    async (t) => {
      for (let round = 0; round < ROUNDS; round++) {
        const fred = await user(t, one, `fred${round}`)
        const phone = await newDevice(fred, other.url)
        expect(await phone.addDevice(fred.keys), 201)
        const devices = [fred, phone]
        const bodies = await Promise.all(devices.map((by) => creation(by, 'self', [])))
        const made = await Promise.all(
          [0, 1, 0, 1].map((of) =>
            post<{ conversation?: { id: string }; conversationId?: string }>(
              devices[of]!,
              '/v1/conversations',
              bodies[of]
            )
          )
        )
        const [first, second, ...repeats] = made
        t.strictSame(
          repeats.map(outcome),
          [outcome(first!), outcome(second!)],
          'a repeat is answered as the first'
        )
        t.strictSame([first!, second!].map(outcome).sort(), ['201', '409 self-exists'])
        const ids = made.map(({ body }) => body.conversation?.id ?? body.conversationId)
        t.equal(new Set(ids).size, 1, 'all name the same one')
      }
    }
  )

  t.test('One of two direct conversations, or of two changes, at once counts', async (t) => {
    for (let round = 0; round < ROUNDS; round++) {
      const emil = await user(t, other, `emil${round}`)
      const bodies = await Promise.all([
        creation(alice, 'direct', [emil.username]),
        creation(emil, 'direct', ['alice'])
      ])
      const made = await Promise.all([
        post<{ conversation?: { id: string }; conversationId?: string }>(
          alice,
          '/v1/conversations',
          bodies[0]
        ),
        post<{ conversation?: { id: string }; conversationId?: string }>(emil, '/v1/conversations', bodies[1])
      ])
      t.strictSame(made.map(outcome).sort(), ['201', '409 direct-exists'])
      const [id, refused] = [
        made.find(({ status }) => status === 201),
        made.find(({ status }) => status === 409)
      ]
      t.equal(refused!.body.conversationId, id!.body.conversation!.id)
    }
    const id = await found(alice, 'group', [bob])
    for (let round = 0; round < ROUNDS; round++) {
      const view = await readChain(alice, id)
      const bodies = [alice, elsewhere].map((by) =>
        chainRequest(by, view, [['timer', ['message-ttl', round]]])
      )
      const answers = await Promise.all([
        post(alice, `/v1/conversations/${id}/chain`, await bodies[0]),
        post(elsewhere, `/v1/conversations/${id}/chain`, await bodies[1])
      ])
      t.strictSame(answers.map(outcome).sort(), ['201', '409 stale-chain'])
      t.equal((await readChain(alice, id)).sequence, view.sequence + 2)
    }
  })

  t.test('One id of a session key at once in two conversations counts in one', async (t) => {
    const ids = [await found(alice, 'group'), await found(alice, 'group')]
    for (let round = 0; round < ROUNDS; round++) {
      const keyId = randomUUID()
      const answers = await Promise.all([
        newKey(alice, ids[0]!, { keyId }),
        newKey(elsewhere, ids[1]!, { keyId })
      ])
      t.strictSame(answers.map(outcome).sort(), ['201', '409 id-conflict'])
    }
  })

  t.test('Nothing has a position behind a statement that makes it invalid', async (t) => {
    const id = await found(alice, 'group', [bob, carol])
    const stream = await carol.live()
    const { states, head } = await readChain(alice, id)
    const done = new AbortController()
    const until = async (task: () => Promise<unknown>) => {
      while (!done.signal.aborted) await task()
    }
    const sending = (by: InteropClient) => until(async () => say(by, id, await envelope(by, id)))
    /** Bob's devices come, change and go. */
    const changing = async () => {
      for (let round = 0; round < ROUNDS; round++) {
        const phone = await newDevice(bob)
        expect(await phone.addDevice(bob.keys), 201)
        expect(await bob.rekey(cheapKeys({ signing: bob.keys.signingPrivate })), 200)
        expect(await bob.revoke(phone.deviceId), 200)
      }
      done.abort()
    }
    await Promise.all([
      changing(),
      until(() => newKey(alice, id)),
      until(() => newKey(elsewhere, id)),
      ...[alice, elsewhere, carol].map(sending)
    ])
    const { lastPosition } = expect(await newKey(alice, id), 201).body
    await stream.until(() => stream.durable().some(({ data }) => data['position'] === lastPosition))

    const seen = new Map<string, number>()
    let current = head
    let isOutdated = false
    // A key may name a head behind which Bob has only added devices.
    let heads = [states.get('bob')!.head]
    for (const { event, data } of stream.durable()) {
      seen.set(event, (seen.get(event) ?? 0) + 1)
      const at = `at ${String(data['position'])}`
      if (event === 'message') {
        if (isOutdated) t.fail(`a message ${at} under an outdated key`)
        if (current !== data['key']) t.fail(`a message ${at} under an older key`)
      } else if (event === 'device.chain') {
        const { text } = data['statement'] as Statement
        const isAdd = text.startsWith('secure-chat/v1 device-add')
        heads = isAdd ? [...heads, hashOf(text)] : [hashOf(text)]
        isOutdated ||= !isAdd
      } else if (event === 'conversation.chain') {
        const { text } = (data['items'] as Statement[]).at(-1)!
        for (const line of parseStatement(text, ['conversation-key']).state)
          if (!heads.includes(line.head)) t.fail(`the key ${at} names an older state`)
        current = hashOf(text)
        isOutdated = false
      }
    }
    for (const event of ['message', 'device.chain', 'conversation.chain'])
      t.ok(seen.get(event)! > ROUNDS, `${seen.get(event)} times ${event}`)
  })

  t.test('A message that has waited is not taken behind a statement that came meanwhile', async (t) => {
    // The batch waits for the first conversation, in which Bob is not.
    let [first, second] = ['', '']
    while (first >= second)
      [first, second] = [await found(alice, 'group'), await found(alice, 'group', [bob])]
    const batch = []
    for (const conversationId of [first, second]) {
      const { userId: senderId, deviceId: senderDeviceId } = alice
      const from = { senderId, senderDeviceId, sessionId: sessionId(alice) }
      batch.push({ ...(await envelope(alice, conversationId)), conversationId, ...from })
    }
    const holder = await LockHolder.connect(t, databaseUrl)
    await holder.client.query('begin')
    await holder.client.query('select from conversations where id = $1 for update', [first])
    const sender = new pg.Client({ connectionString: databaseUrl })
    await sender.connect()
    t.teardown(() => sender.end())
    const sent = sender.query<SendRow>(SEND.text, sendValues(batch))
    await holder.holdsUp()
    expect(await bob.rekey(cheapKeys({ signing: bob.keys.signingPrivate })), 200)
    await holder.client.query('commit')
    const verdicts = (await sent).rows.map(({ verdict }) => verdict)
    t.strictSame(verdicts, ['stored', 'rekey'])
  })

  /** Another device of the user, with a session and not yet added. */
  async function newDevice(of: InteropClient, base = of.base): Promise<InteropClient> {
    const device = await InteropClient.create(base, of.username, {
      keys: cheapKeys(),
      password: of.password
    })
    t.teardown(() => device.close())
    expect(await device.login(false), 200)
    return device
  }
}
