import { randomUUID } from 'node:crypto'
import t, { type Test } from 'tap'
import { conversation, user } from '../../../support/people.js'
import { startChat, type Chat } from '../../../support/start-chat.js'
import { expect, type Answer } from '../../../support/interop/http.js'
import { InteropClient } from '../../../support/interop/client.js'

interface Shown {
  conversation: { id: string; request: { by: string; declined: boolean } | null }
}
type Statuses = { items: { username: string; online: boolean }[] }

const chat = await startChat(t, { CONTACT_POLICY: 'requests' })
const people = async (t: Test, where: Chat, ...names: string[]) =>
  Promise.all(names.map((name) => user(t, where, name)))

async function requestOf(client: InteropClient, id: string): Promise<Shown['conversation']['request']> {
  return expect(await client.raw<Shown>('GET', `/v1/conversations/${id}`), 200).body.conversation.request
}
const accept = (client: InteropClient, id: string) => client.raw('POST', `/v1/conversations/${id}/acceptance`)
const setPolicy = async (client: InteropClient, contactPolicy: string) =>
  expect(await client.raw('PATCH', '/v1/users/me', { body: { contactPolicy } }), 200)
const block = async (client: InteropClient, name: string) =>
  expect(await client.raw('PUT', `/v1/users/me/blocks/${name}`), 204)
const presence = async (client: InteropClient, name: string) =>
  expect(await client.raw<Statuses>('GET', `/v1/presence?user=${name}`), 200).body.items.map(
    ({ online }) => online
  )
/** Users of whose presence a stream was told. */
const told = ({ received }: Awaited<ReturnType<InteropClient['live']>>) =>
  received.filter(({ event }) => event === 'presence').map(({ data }) => data['username'])
const refusal = ({ status, body }: Answer<unknown>) => {
  const { type, title, detail, username } = body as Record<string, unknown>
  return { status, type, title, detail, username }
}

t.test(
  'A conversation that a stranger begins waits as a request, and all of it is there once it is accepted',
  async (t) => {
    const [sam, vera] = [await chat.user('sam'), await chat.user('vera')]
    const heard = await vera.live()
    const id = await conversation(sam, [vera], 'direct')
    expect(await sam.send(id, 'hello'), 201)
    await heard.waitFor(({ event }) => event === 'message', 'message')
    t.strictSame(
      heard.durable().map(({ event }) => event),
      ['request.received', 'conversation.created', 'message'],
      'it is known as a request before anything of it is shown'
    )
    t.match(heard.durable()[0]?.data, { conversationId: id, by: 'sam' })
    t.strictSame(await requestOf(vera, id), { by: 'sam', declined: false })
    t.equal(await requestOf(sam, id), null, 'who begins it has accepted')
    expect(await accept(vera, id), 204)
    await heard.waitFor(({ event }) => event === 'request.accepted', 'request.accepted')
    expect(await accept(vera, id), 204)
    t.equal(heard.durable().filter(({ event }) => event === 'request.accepted').length, 1)
    t.equal(await requestOf(vera, id), null)
    t.strictSame(await vera.texts(id), ['hello'])
    const group = await conversation(sam, [vera])
    t.equal(await requestOf(vera, group), null, 'they know each other now')
    heard.close()
  }
)

t.test('A group asks only those who do not know whoever adds them', async (t) => {
  const [ann, ben, cleo] = await people(t, chat, 'ann', 'ben', 'cleo')
  const direct = await conversation(ann!, [ben!], 'direct')
  expect(await accept(ben!, direct), 204)
  const group = await conversation(ann!, [ben!])
  expect(await ann!.addMember(group, 'cleo'), 201)
  t.equal(await requestOf(ben!, group), null)
  t.strictSame(await requestOf(cleo!, group), { by: 'ann', declined: false })
  const other = await conversation(ben!, [cleo!])
  t.strictSame(
    await requestOf(cleo!, other),
    { by: 'ben', declined: false },
    'one that waits makes nobody known'
  )
  expect(await accept(cleo!, group), 204)
  expect(await cleo!.leave(other), 201)
  expect(await accept(cleo!, other), 404)
  const again = await conversation(ben!, [cleo!])
  t.equal(await requestOf(cleo!, again), null, 'whom both are in a group with')
})

t.test('A declined direct request frees its place, and can still be accepted', async (t) => {
  const small = await startChat(t, { CONTACT_POLICY: 'requests', MAX_REQUESTS: '1' })
  const [zed, abe, bea] = await people(t, small, 'zed', 'abe', 'bea')
  const id = await conversation(abe!, [zed!], 'direct')
  t.equal((await bea!.createConversation('direct', ['zed'])).answer.status, 409)
  t.equal((await zed!.leave(id)).status, 403, 'nobody leaves a direct conversation')
  const decline = () => zed!.raw('DELETE', `/v1/conversations/${id}/acceptance`)
  expect(await decline(), 204)
  expect(await decline(), 204)
  t.strictSame(await requestOf(zed!, id), { by: 'abe', declined: true })
  t.strictSame(await presence(abe!, 'zed'), [])
  const group = await conversation(bea!, [zed!])
  t.equal((await zed!.raw('DELETE', `/v1/conversations/${group}/acceptance`)).status, 403)
  expect(await accept(zed!, id), 204)
  t.equal(await requestOf(zed!, id), null)
  expect(await decline(), 403)
})

t.test('An invitation makes inviter and guest known to each other', async (t) => {
  const [host, guest] = await people(t, chat, 'host', 'guest')
  const invite = randomUUID()
  await chat.services.db.execute(`
    insert into invites (id, token_hash, created_by, note, max_uses, uses, expires_at)
    select '${invite}', '\\x00', id, '', 1, 1, now() from users where username = 'host';`)
  await chat.services.db.execute(`
    insert into invite_uses (invite_id, user_id) select '${invite}', id from users where username = 'guest'`)
  t.equal(await requestOf(guest!, await conversation(host!, [guest!])), null)
  expect(
    await guest!.leave(
      (await guest!.raw<{ items: { id: string }[] }>('GET', '/v1/conversations')).body.items[0]!.id
    ),
    201
  )
  t.equal(await requestOf(host!, await conversation(guest!, [host!])), null)
})

t.test('The one who blocks looks as one who takes nobody, to strangers and to known users', async (t) => {
  const names = ['dan', 'eve', 'fay', 'gus'] as const
  const [dan, eve, fay, gus] = await people(t, chat, ...names)
  const common = await conversation(dan!, [eve!, fay!, gus!])
  for (const one of [eve!, fay!, gus!]) expect(await accept(one, common), 204)
  await setPolicy(eve!, 'nobody')
  await block(fay!, 'dan')
  await block(fay!, 'dan')
  const group = await conversation(dan!, [gus!])
  const tries = [
    async (name: string) => (await dan!.createConversation('direct', [name])).answer,
    async (name: string) => (await dan!.createConversation('group', [name, 'gus'])).answer,
    (name: string) => dan!.addMember(group, name)
  ]
  for (const attempt of tries) {
    const [ofEve, ofFay] = [refusal(await attempt('eve')), refusal(await attempt('fay'))]
    t.match(ofEve, { status: 403, type: '/problems/contact-refused', username: 'eve' })
    t.equal(JSON.stringify(ofEve).replaceAll('eve', '?'), JSON.stringify(ofFay).replaceAll('fay', '?'))
  }
  expect(await dan!.setRole(group, 'gus', 'admin'), 201)
  t.equal((await gus!.addMember(group, 'eve')).status, 403)
  expect(await gus!.addMember(group, 'fay'), 201)
  t.equal(await requestOf(fay!, group), null, 'a block is for what the blocked user begins')
  const again = await InteropClient.create(chat.url, 'eve', { password: eve!.password })
  expect(await again.login(false), 200)
  expect(await again.reset(), 201)
  expect(await dan!.renewMember(common, 'eve'), 201)
  const blocks = async (): Promise<unknown> =>
    (await fay!.raw<{ items: { username: string }[] }>('GET', '/v1/users/me/blocks')).body.items.map(
      ({ username }) => username
    )
  t.strictSame(await blocks(), ['dan'])
  for (let times = 0; times < 2; times++) expect(await fay!.raw('DELETE', '/v1/users/me/blocks/dan'), 204)
  t.strictSame(await blocks(), [])
  await conversation(dan!, [fay!], 'direct')
  t.match(await setPolicy(again, 'everyone'), { body: { settings: { contactPolicy: 'everyone' } } })
  t.match(await again.raw('GET', '/v1/users/me'), { body: { settings: { contactPolicy: 'everyone' } } })
  t.equal(await requestOf(again, (await dan!.createConversation('direct', ['eve'])).id), null)
})

t.test('Blocks of unknown users and of oneself are refused, and their number is bounded', async (t) => {
  const small = await startChat(t, { MAX_BLOCKS: '1' })
  const [hal, ida] = await people(t, small, 'hal', 'ida', 'joe')
  expect(await hal!.raw('PUT', '/v1/users/me/blocks/nobody-here'), 404)
  t.match(await hal!.raw('PUT', '/v1/users/me/blocks/hal'), { status: 400, body: { detail: /themselves/ } })
  await block(hal!, 'ida')
  await block(hal!, 'ida')
  t.match(await hal!.raw('PUT', '/v1/users/me/blocks/joe'), {
    status: 409,
    body: { type: '/problems/limit-reached', detail: /blocked 1 users/ }
  })
  await block(ida!, 'joe')
})

t.test('Neither side of a request sees whether the other is online', async (t) => {
  const [kim, leo, mia] = await people(t, chat, 'kim', 'leo', 'mia')
  expect(await accept(mia!, await conversation(kim!, [mia!], 'direct')), 204)
  const id = await conversation(kim!, [leo!], 'direct')
  const [kims, leos, mias] = [await kim!.live(), await leo!.live(), await mia!.live()]
  await kims.waitFor(({ event }) => event === 'presence', 'presence')
  t.strictSame([...told(kims), ...told(leos)], ['mia'])
  t.strictSame(await presence(kim!, 'leo'), [])
  t.strictSame(await presence(leo!, 'kim'), [])
  expect(await accept(leo!, id), 204)
  t.strictSame(await presence(kim!, 'leo'), [true])
  for (const stream of [kims, leos, mias]) stream.close()
})

t.test('Two users of whom one has blocked the other look offline to each other', async (t) => {
  const two = await startChat(t)
  const [nia, oli, pam] = await people(t, two, 'nia', 'oli', 'pam')
  await conversation(nia!, [oli!, pam!])
  const nias = await nia!.live()
  const olis = await oli!.live()
  await nias.waitFor(({ event, data }) => event === 'presence' && data['online'] === true, 'oli')
  await block(nia!, 'oli')
  for (const [stream, name] of [
    [olis, 'nia'],
    [nias, 'oli']
  ] as const)
    await stream.waitFor(
      ({ event, data }) => event === 'presence' && data['username'] === name && data['online'] === false,
      `${name} goes`
    )
  t.strictSame(await presence(oli!, 'nia'), [false], 'as anybody who is offline')
  t.strictSame(await presence(nia!, 'oli'), [false])
  t.strictSame(await presence(pam!, 'nia'), [true])
  t.strictSame(await presence(pam!, 'oli'), [true])
  for (const stream of [nias, olis]) stream.close()
})

t.test('Neither side of a block is told when the other comes', async (t) => {
  const three = await startChat(t)
  const [quin, rae, sol] = await people(t, three, 'quin', 'rae', 'sol')
  await conversation(quin!, [rae!, sol!])
  await block(quin!, 'rae')
  const [quins, raes, sols] = [await quin!.live(), await rae!.live(), await sol!.live()]
  for (const stream of [quins, raes]) {
    await stream.waitFor(({ event, data }) => event === 'presence' && data['username'] === 'sol', 'sol')
    t.strictSame(told(stream), ['sol'])
  }
  for (const stream of [quins, raes, sols]) stream.close()
})

t.test('The limits of conversations and requests say what is reached and what frees room', async (t) => {
  const tight = await startChat(t, { CONTACT_POLICY: 'requests', MAX_CONVERSATIONS: '2', MAX_REQUESTS: '1' })
  const [quin, rae, sid] = await people(t, tight, 'quin', 'rae', 'sid')
  const id = await conversation(quin!, [rae!], 'direct')
  t.match((await sid!.createConversation('direct', ['rae'])).answer, {
    status: 409,
    body: { type: '/problems/limit-reached', username: 'rae', detail: /1 requests wait for rae/ }
  })
  expect(await accept(rae!, id), 204)
  const group = await conversation(sid!, [rae!])
  expect(await accept(rae!, group), 204)
  t.match((await quin!.createConversation('group', ['rae'])).answer, {
    status: 409,
    body: { type: '/problems/limit-reached', username: 'rae', detail: /rae is in 2 conversations/ }
  })
  expect(await rae!.leave(group), 201)
  await conversation(quin!, [rae!])
  t.match((await quin!.createConversation('group', [])).answer, {
    status: 409,
    body: { type: '/problems/limit-reached', username: 'quin', detail: /You are in 2 conversations/ }
  })
})

t.test('A request that waits can be accepted beyond MAX_CONVERSATIONS', async (t) => {
  const tight = await startChat(t, { CONTACT_POLICY: 'requests', MAX_CONVERSATIONS: '1' })
  const [tom, uma] = await people(t, tight, 'tom', 'uma')
  const id = await conversation(tom!, [uma!], 'direct')
  await conversation(uma!, [])
  expect(await accept(uma!, id), 204)
  t.match((await uma!.createConversation('group', [])).answer, {
    status: 409,
    body: { type: '/problems/limit-reached', username: 'uma' }
  })
})

t.test('Groups and requests of a day are bounded, and RATE_LIMIT=off takes that away', async (t) => {
  const env = { CONTACT_POLICY: 'requests', GROUPS_PER_DAY: '1', REQUESTS_PER_DAY: '1' }
  const bounded = await startChat(t, { ...env, RATE_LIMIT: 'on', TRUST_PROXY: '127.0.0.1' })
  const [tom, uma] = await people(t, bounded, 'tom', 'uma', 'van')
  const refused = {
    status: 429,
    body: { type: '/problems/too-many-requests', detail: /within 24 hours/ },
    headers: { 'retry-after': /^86\d{3}$/ }
  }
  t.match((await tom!.createConversation('group', ['uma', 'van'])).answer, refused, 'two requests at once')
  await conversation(tom!, [])
  t.match((await tom!.createConversation('group', [])).answer, refused)
  await conversation(tom!, [uma!], 'direct')
  t.match((await tom!.createConversation('direct', ['van'])).answer, refused)
  const free = await startChat(t, env)
  const [wim, xia] = await people(t, free, 'wim', 'xia', 'yan')
  await conversation(wim!, [xia!])
  t.equal((await wim!.createConversation('group', ['xia', 'yan'])).answer.status, 201)
})
