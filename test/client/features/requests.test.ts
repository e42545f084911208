import t from 'tap'
import { failure, link, client, Listener, registered, texts, textOf } from '../../support/chat-clients.js'
import { startChat } from '../../support/start-chat.js'

const { url } = await startChat(t, { CONTACT_POLICY: 'requests' })

t.test('A request shows only that it is there, and after the acceptance no message lacks', async (t) => {
  const [sam, vera] = [await registered(t, url, 'sam'), await registered(t, url, 'vera')]
  const heard = new Listener(t, vera)
  await heard.first('connected')
  const { conversationId: id } = await sam.send({ username: 'vera' }, 'one')
  await sam.send(id, 'two')
  const friend = await registered(t, url, 'friend')
  await vera.send({ username: 'friend' }, 'hi')
  t.strictSame(await heard.first('request'), { type: 'request', conversationId: id, by: 'sam' })
  const own = await vera.conversations.direct('friend')
  await heard.message('hi')
  t.strictSame(
    heard.heard
      .filter((event) => 'conversationId' in event && event.conversationId === id)
      .map(({ type }) => type),
    ['request']
  )
  t.match(await vera.requests.list(), [{ id, kind: 'direct', request: { by: 'sam' } }])
  t.equal((await vera.conversations.get(own.id)).request, null)
  t.match(await failure(texts(vera, id)), { code: 'not-accepted', message: /sam/ })
  t.match(await vera.requests.accept(id), { id, request: null })
  t.strictSame(await vera.requests.list(), [])
  t.strictSame(await texts(vera, id), ['one', 'two'])
  await sam.send(id, 'three')
  await heard.message('three')
  t.strictSame(heard.texts(), ['hi', 'three'], 'each message comes once')
  t.equal((await friend.requests.list()).length, 1)
})

t.test('A request that is accepted with one device is accepted on the others', async (t) => {
  const [tim, una] = [await registered(t, url, 'tim'), await registered(t, url, 'una')]
  const laptop = await client(t, url)
  await link(una, laptop)
  const [phones, laptops] = [new Listener(t, una), new Listener(t, laptop)]
  for (const listener of [phones, laptops]) await listener.first('connected')
  const { conversationId: id } = await tim.send({ username: 'una' }, 'one')
  await phones.first('request')
  await laptops.first('request')
  await una.send(id, 'who writes has accepted')
  t.strictSame(await laptops.first('request-accepted'), { type: 'request-accepted', conversationId: id })
  await laptops.message('who writes has accepted')
  t.strictSame(await texts(laptop, id), ['one', 'who writes has accepted'])
})

t.test('A program that hears of the acceptance can read what was said before', async (t) => {
  const [tom, uta] = [await registered(t, url, 'tom'), await registered(t, url, 'uta')]
  const laptop = await client(t, url)
  await link(uta, laptop)
  const { conversationId: id } = await tom.send({ username: 'uta' }, 'one')
  for await (const event of laptop.events()) {
    if (event.type === 'request') void uta.requests.accept(id)
    if (event.type !== 'request-accepted') continue
    t.strictSame(await texts(laptop, id), ['one'])
    t.equal((await laptop.conversations.get(id)).request, null)
    break
  }
})

t.test('A declined request is left, and the stranger sees only that the user has gone', async (t) => {
  const [ulf, vic] = [await registered(t, url, 'ulf'), await registered(t, url, 'vic')]
  const group = await ulf.conversations.createGroup('sale', ['vic'])
  const [request] = await vic.requests.list()
  t.match(request, { id: group.id, request: { by: 'ulf' } })
  const heard = new Listener(t, ulf)
  await vic.requests.decline(group.id)
  t.strictSame(await vic.requests.list(), [])
  t.match(await heard.first('members'), { change: 'left', username: 'vic', by: 'vic' })
})

t.test('A declined direct conversation stays hidden until the user writes to it', async (t) => {
  const [yve, zoe] = [await registered(t, url, 'yve'), await registered(t, url, 'zoe')]
  const { conversationId: id } = await yve.send({ username: 'zoe' }, 'one')
  t.equal((await zoe.requests.list()).length, 1)
  await zoe.requests.decline(id)
  t.strictSame(await zoe.requests.list(), [])
  t.match(await zoe.conversations.list(), [{ id, request: { by: 'yve', declined: true } }])
  t.match(await failure(texts(zoe, id)), { code: 'not-accepted' })
  await zoe.send({ username: 'yve' }, 'after all')
  t.strictSame(await texts(zoe, id), ['one', 'after all'])
})

t.test('A server that calls a known conversation a request hides nothing of it', async (t) => {
  const chat = await startChat(t)
  const [wes, xen] = [await registered(t, chat.url, 'wes'), await registered(t, chat.url, 'xen')]
  const heard = new Listener(t, xen)
  await heard.first('connected')
  const { conversationId: id } = await wes.send({ username: 'xen' }, 'one')
  await heard.message('one')
  await chat.services.db.execute(
    `update memberships set requested_by = (select id from users where username = 'wes')`
  )
  t.match(await xen.conversations.list(), [{ id, request: null }])
  await wes.send(id, 'two')
  await heard.message('two')
})

t.test('Messages of a blocked user in a common group are not shown, on all devices', async (t) => {
  const chat = await startChat(t)
  const names = ['amy', 'bert', 'cora']
  const [amy, bert, cora] = await Promise.all(names.map((name) => registered(t, chat.url, name)))
  const laptop = await client(t, chat.url)
  await link(amy!, laptop)
  const { id } = await cora!.conversations.createGroup('all', ['amy', 'bert'])
  const [phones, laptops] = [new Listener(t, amy!), new Listener(t, laptop)]
  await laptops.first('connected')
  await bert!.send(id, 'before')
  await phones.message('before')
  await amy!.contacts.block('bert')
  t.match(await laptops.first('block-changed'), { username: 'bert', blocked: true })
  t.strictSame(await laptop.contacts.blocked(), ['bert'])
  await bert!.send(id, 'hidden')
  await cora!.send(id, 'shown')
  for (const listener of [phones, laptops]) await listener.message('shown')
  t.notOk(phones.texts().includes('hidden'))
  t.notOk(laptops.texts().includes('hidden'))
  const last: (string | undefined)[] = []
  for await (const item of amy!.history(id, { limit: 2 })) last.push(textOf(item) ?? item.type)
  t.strictSame(last, ['shown', 'message'], 'a limit counts only what is shown')
  t.match(await failure(bert!.send({ username: 'amy' }, 'hello')), {
    kind: 'refused',
    code: 'contact-refused'
  })
  await amy!.contacts.unblock('bert')
  t.match(await laptops.first('block-changed', ({ blocked }) => !blocked), { username: 'bert' })
  t.ok((await texts(amy!, id)).includes('hidden'))
  t.match(await failure(amy!.contacts.block('amy')), { code: 'own-username' })
})

t.test('Users say who may begin a conversation with them', async (t) => {
  const [dina, enzo] = [await registered(t, url, 'dina'), await registered(t, url, 'enzo')]
  t.equal(await dina.contacts.policy(), 'requests')
  await dina.contacts.setPolicy('nobody')
  t.equal(await dina.contacts.policy(), 'nobody')
  t.match(await failure(enzo.send({ username: 'dina' }, 'hello')), { code: 'contact-refused' })
})
