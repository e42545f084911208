import { randomUUID } from 'node:crypto'
import { EventEmitter, once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { type Problem } from '../../../src/server/http/problem.js'
import type { OutgoingMessage } from '../../../src/server/log/message.js'
import type { Services } from '../../../src/server/services.js'
import { advanceClocks } from '../../support/clocks.js'
import { sessionId } from '../../support/people.js'
import { startChat } from '../../support/start-chat.js'

const chat = await startChat(t, { SEND_QUEUE: '10', SEND_BATCH: '4', SEND_WAIT: '200' })
const users = Promise.all([chat.user('alice'), chat.user('bob')])

async function world() {
  const [alice, bob] = await users
  const { id: conversationId } = await alice.createConversation('group', [bob.username])
  const { id: sessionKeyId, hash: key } = alice.sessionKeys.get(alice.currentKey.get(conversationId)!)!
  const { body } = await alice.raw<{ user: { id: string } }>('GET', '/v1/users/me')
  const message = (id: string = randomUUID()) => ({
    id,
    conversationId,
    senderId: body.user.id,
    senderUsername: 'alice',
    senderDeviceId: alice.deviceId,
    sessionId: sessionId(alice),
    sessionKeyId,
    key,
    iv: Buffer.alloc(12, 1).toString('base64'),
    ciphertext: Buffer.alloc(272, 2).toString('base64'),
    signature: Buffer.alloc(64, 3).toString('base64')
  })
  return { alice, bob, conversationId, message }
}

const send = async (
  message: OutgoingMessage
): Promise<{ verdict: string; position?: number; createdAt?: string }> =>
  (await chat.services.log.send([message]))[0]!

async function stored({ database }: Services): Promise<{ positions: number[]; last: number }> {
  const rows = await database.prepared<{ position: string }>(
    { name: 'all-positions', text: 'select position from events order by position' },
    []
  )
  const [head] = await database.prepared<{ last: string }>(
    { name: 'head', text: 'select last from log_head' },
    []
  )
  return { positions: rows.map(({ position }) => Number(position)), last: Number(head!.last) }
}

t.test('A message that the database refuses harms no other, and leaves no gap', async (t) => {
  const { message } = await world()
  const poisoned = { ...message(), sessionKeyId: 'not-a-uuid' }
  const outcomes = await Promise.all([message(), message(), poisoned, message()].map((one) => send(one)))
  const together = await chat.services.log.send([message(), { ...poisoned, id: randomUUID() }, message()])
  t.strictSame(
    [...outcomes, ...together].map(({ verdict }) => verdict),
    ['stored', 'stored', 'failed', 'stored', 'stored', 'failed', 'stored']
  )
  const { positions, last } = await stored(chat.services)
  t.strictSame(
    positions,
    Array.from({ length: last }, (_, index) => index + 1)
  )
})

t.test('Each message of a batch has its own verdict', async (t) => {
  const { message, bob } = await world()
  const first = message()
  await send(first)
  const { last } = await stored(chat.services)
  const answers = await Promise.all(
    [
      message(),
      first,
      { ...first, ciphertext: Buffer.alloc(272, 9).toString('base64') },
      { ...message(), conversationId: randomUUID() },
      { ...message(), senderId: randomUUID() },
      { ...message(), sessionKeyId: randomUUID() },
      { ...message(), senderDeviceId: randomUUID() },
      { ...message(), senderDeviceId: bob.deviceId },
      { ...message(), sessionId: randomUUID() }
    ].map((one) => send(one))
  )
  t.strictSame(
    answers.map(({ verdict }) => verdict),
    [
      ...['stored', 'repeat', 'conflict', 'not-found', 'not-found'],
      ...['rekey', 'not-in-roster', 'stored', 'session-ended']
    ]
  )
  t.equal(answers[1]!.position, last, 'a repeat is told where it stands')
  t.equal((await stored(chat.services)).last, last + 2, 'those refused took no position')
})

t.test('A message that is sent twice at once is stored once, and both answers are the same', async (t) => {
  const { message } = await world()
  const twice = message()
  const answers = await Promise.all([twice, message(), twice].map((one) => send(one)))
  t.strictSame(answers.map(({ verdict }) => verdict).sort(), ['repeat', 'stored', 'stored'])
  t.equal(answers[0]!.position, answers[2]!.position)
  t.equal(answers[0]!.createdAt, answers[2]!.createdAt)
})

t.test('A full queue refuses at once', async (t) => {
  const { message } = await world()
  const outcomes = await Promise.allSettled(Array.from({ length: 30 }, () => send(message())))
  const refused = outcomes.filter((outcome) => outcome.status === 'rejected')
  t.equal(refused.length, 20)
  for (const { reason } of refused) t.equal((reason as Problem).code, 'overloaded')
})

t.test('While the database stands still, messages that would wait too long are refused', async (t) => {
  const { message } = await world()
  const transaction = new EventEmitter()
  const hasBegun = once(transaction, 'begun')
  const standing = chat.services.db.transaction(async () => {
    transaction.emit('begun')
    await once(transaction, 'goOn')
  })
  await hasBegun
  const underWay = send(message())
  await sleep(50)
  const waiting = send(message())
  advanceClocks(t, 300)
  await t.rejects(send(message()), { code: 'overloaded' })
  transaction.emit('goOn')
  await standing
  t.match(await Promise.all([underWay, waiting]), [{ verdict: 'stored' }, { verdict: 'stored' }])
  t.match(await send(message()), { verdict: 'stored' })
})

t.test('A session key serves at most 2^20 messages', async (t) => {
  const { alice, conversationId, message } = await world()
  await chat.services.database.prepared(
    { name: 'wear-out', text: 'update session_keys set message_count = 1048576 where conversation_id = $1' },
    [conversationId]
  )
  t.equal((await send(message())).verdict, 'rekey')
  await alice.newKey(conversationId)
  const { id: sessionKeyId, hash: key } = alice.sessionKeys.get(alice.currentKey.get(conversationId)!)!
  t.equal((await send({ ...message(), sessionKeyId, key })).verdict, 'stored')
})
