import t from 'tap'
import type { ReportContent } from '../../src/client/types/content.js'
import type { IncomingMessage } from '../../src/client/types/messages.js'
import { operatorOf } from '../support/admin.js'
import { failure, Listener, registered } from '../support/chat-clients.js'
import { expect } from '../support/interop/http.js'
import { startChat } from '../support/start-chat.js'

const chat = await startChat(t, { MODERATORS: 'mod,carol,gone,nobody' })
const operator = operatorOf(chat)
const people = ['alice', 'bob', 'mod', 'carol', 'gone'] as const
const [alice, bob, mod, carol] = await Promise.all(people.map((name) => registered(t, chat.url, name)))
for (const name of ['mod', 'gone'])
  expect(await operator('PUT', `/users/${name}/role`, { role: 'admin' }), 204)
expect(await operator('DELETE', '/users/gone'), 204)

const [heardByAlice, heardByMod] = [new Listener(t, alice!), new Listener(t, mod!)]
const { id: group } = await alice!.conversations.createGroup('Choir', ['bob', 'carol'])
await bob!.send(group, 'You sing badly.')
await bob!.send(group, 'Sorry.')
const rude = await heardByAlice.message('You sing badly.')
const sorry = await heardByAlice.message('Sorry.')

const isReport = (event: IncomingMessage) => event.content.type === 'report'
/** What the moderator was sent. */
const reported = async () => (await heardByMod.first('message', isReport)).content as ReportContent

t.test(
  'Moderators are those admins whom the operator names, and a report never goes to its subject',
  async (t) => {
    t.strictSame((await alice!.server()).moderators, ['mod'])
    t.strictSame(await alice!.reports.moderators(rude), ['mod'])
    const byMod = { ...rude, from: { ...rude.from, username: 'mod' } }
    t.strictSame(await alice!.reports.moderators(byMod), [])
    t.strictSame(await mod!.reports.moderators(rude), [])
    t.match(await failure(alice!.reports.make(rude, { to: [] })), { kind: 'usage', code: 'no-moderators' })
  }
)

t.test('A report proves to a moderator who said what in which conversation', async (t) => {
  await alice!.reports.make(rude, { to: await alice!.reports.moderators(rude), reason: 'He is rude.' })
  const report = await reported()
  t.equal(report.reason, 'He is rude.')
  const { id, conversationId, from, sentAt, content } = rude
  const inKnownConversation = false
  t.strictSame(await mod!.reports.check(report), {
    id,
    conversationId,
    from,
    sentAt,
    content,
    inKnownConversation
  })
  t.match(
    await carol!.reports.check(report),
    { inKnownConversation: true },
    'a member checks the roster, too'
  )
})

t.test('The key of a report opens no other message, and nothing in it can be changed', async (t) => {
  const { message, messageKey } = await reported()
  const page = `/v1/conversations/${group}/messages?limit=1&after=${sorry.position - 1}`
  const { items } = (await alice!.call({ method: 'GET', path: page, answers: true })) as {
    items: [typeof message]
  }
  const [other] = items
  const codeOf = async (change: object, by = mod!) =>
    (await failure(by.reports.check({ message: { ...message, ...change }, messageKey }))).code
  const { id, iv, ciphertext, signature } = other
  t.equal(await codeOf({ id, iv, ciphertext, signature }), 'bad-tag', 'another message of the same key')
  t.equal(await codeOf({ conversationId: crypto.randomUUID() }), 'bad-signature', 'another conversation')
  t.equal(await codeOf({ ciphertext }), 'bad-signature', 'another ciphertext')
  t.equal(await codeOf({ key: 'a'.repeat(64) }), 'bad-signature', 'another session key')
  t.equal(
    await codeOf({ sender: { ...message.sender, username: 'alice' } }),
    'ghost-sender',
    'another sender'
  )
  const own = { username: 'alice', deviceId: rude.from.deviceId }
  t.equal(await codeOf({ sender: own }, carol), 'ghost-sender')
  const wrong = Buffer.alloc(32).toString('base64')
  t.match(await failure(mod!.reports.check({ message, messageKey: wrong })), {
    kind: 'untrusted',
    code: 'bad-tag'
  })
})

t.test(
  'A message that is too long for a report, and a reason that is too long, are refused with a reason',
  async (t) => {
    await bob!.send(group, 'x'.repeat(50_000))
    const long = await heardByAlice.message('x'.repeat(50_000))
    const report = (message: IncomingMessage, reason?: string) =>
      failure(alice!.reports.make(message, { to: ['mod'], ...(reason !== undefined && { reason }) }))
    t.match(await report(long), { kind: 'usage', code: 'report-too-large', hint: long.id })
    t.match(await report(rude, 'x'.repeat(1001)), { kind: 'usage', code: 'invalid-content' })
  }
)

t.test('A message that was purged before can be reported no more', async (t) => {
  expect(await operator('DELETE', `/messages/${sorry.id}`), 204)
  const error = await failure(alice!.reports.make(sorry, { to: ['mod'] }))
  t.match(error, { kind: 'refused', code: 'message-deleted' })
})
