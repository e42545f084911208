import t, { type Test } from 'tap'
import { sql } from 'drizzle-orm'
import type { ChatClient } from '../../src/client/client.js'
import { parseLink } from '../../src/client/features/links.js'
import { helloOf, planHello } from '../../src/client/features/newcomers.js'
import { MemoryStore } from '../../src/client/stores/memory.js'
import { all, client, failure, link, Listener, PASSWORD, texts } from '../support/chat-clients.js'
import type { ChatClientOptions } from '../../src/client/options.js'
import { EMBEDDED } from '../support/database-for-tests.js'
import { eventually } from '../support/eventually.js'
import { shortenWaits } from '../support/short-waits.js'
import { startChat } from '../support/start-chat.js'
import { tamperingProxy, type Asked } from '../support/tampering-proxy.js'
import { operatorInvite } from '../server/features/invites/newcomers.js'

const chat = await startChat(t, { ...EMBEDDED, REGISTRATION: 'invite' })
const { url } = chat

/** Somebody whom the operator has invited. */
async function member(t: Test, username: string, options: Partial<ChatClientOptions> = {}) {
  const at = options.url ?? url
  const one = await client(t, at, options)
  const invite = `${at}/#/join/${await operatorInvite(chat)}`
  await one.register({ username, password: PASSWORD, invite })
  return one
}

async function joined(t: Test, username: string, invite: string, options: Partial<ChatClientOptions> = {}) {
  const one = await client(t, options.url ?? url, options)
  await one.register({ username, password: PASSWORD, invite })
  return one
}

const status = async (of: ChatClient, name: string) => (await of.contacts.get(name)).status
const accepted = (heard: Listener, username: string) =>
  heard.first('invitation-accepted', (event) => event.username === username)
const forged = (heard: Listener, username: string) =>
  heard.first('untrusted', (event) => event.username === username && event.error.code === 'forged-invitation')

t.test('The maker of a link and the newcomer are verified to each other, and share the group', async (t) => {
  const alice = await member(t, 'alice')
  const heard = new Listener(t, alice)
  const team = await alice.conversations.createGroup('team', [])
  const asked: string[] = []
  const recording: typeof fetch = (input, init) => {
    asked.push(JSON.stringify([input, init?.body]))
    return fetch(input, init)
  }
  const made = await alice.invitations.create({ groups: [team.id], note: 'for Bob' })
  const bob = await joined(t, 'bob', made.link, { fetch: recording })
  await bob.send({ username: 'alice' }, 'good morning')

  t.match(await accepted(heard, 'bob'), { verified: true, groups: [team.id] })
  await heard.message('good morning')
  t.equal(await status(alice, 'bob'), 'verified')
  t.equal(await status(bob, 'alice'), 'verified')
  const heardByBob = new Listener(t, bob)
  await heardByBob.first('conversation', ({ conversation }) => conversation.id === team.id)
  await bob.send(team.id, 'hello team')
  await heard.message('hello team')

  const [, token, , , secret] = /#\/join\/(.*)\/(.*)\/(.*)\/(.*)$/.exec(made.link)!
  t.match(asked[0], token)
  t.notOk(
    asked.some((request) => request.includes(secret!)),
    'the secret stays on the client'
  )
  t.match(await alice.invitations.list(), [
    { id: made.id, note: 'for Bob', uses: 1, usedBy: [{ username: 'bob' }], isFromHere: true }
  ])
})

t.test('A link for several people verifies its maker only, and adds all to the group', async (t) => {
  const alice = await member(t, 'anna')
  const heard = new Listener(t, alice)
  const club = await alice.conversations.createGroup('club', [])
  const made = await alice.invitations.create({ groups: [club.id], uses: 2 })
  for (const name of ['ben', 'carl']) {
    const one = await joined(t, name, made.link)
    t.match(await accepted(heard, name), { verified: false, groups: [club.id] })
    t.equal(await status(one, 'anna'), 'verified')
    t.equal(await status(alice, name), 'unverified')
  }
  await eventually(
    async () => (await alice.conversations.get(club.id)).members.length === 3,
    'both are in the group'
  )
})

t.test('A newcomer who cannot be added yet keeps back no other one, and is added later', async (t) => {
  const proxy = await tamperingProxy(t, url)
  const alice = await member(t, 'arthur', { url: proxy.url })
  const heard = new Listener(t, alice)
  const groups = []
  for (const title of ['busy', 'quiet']) groups.push((await alice.conversations.createGroup(title, [])).id)
  const [busy, quiet] = groups as [string, string]
  const links = []
  for (const id of groups) links.push((await alice.invitations.create({ groups: [id] })).link)
  const headers = { 'content-type': 'application/problem+json', 'retry-after': '60' }
  const limited = JSON.stringify({ type: '/problems/too-many-requests', status: 429 })
  const isBusy = ({ path }: Asked): boolean => path === `/v1/conversations/${busy}/chain`
  proxy.tamper({ instead: (asked) => (isBusy(asked) ? { status: 429, headers, body: limited } : undefined) })
  for (const [at, name] of ['bastian', 'bertha'].entries()) {
    await joined(t, name, links[at]!.replace(proxy.url, url))
    await accepted(heard, name)
  }
  const isIn = async (id: string) => (await alice.conversations.get(id)).members.length === 2
  await eventually(() => isIn(quiet), 'the second is in their group')
  proxy.tamper({})
  t.notOk(await isIn(busy))
  await alice.flush()
  t.ok(await isIn(busy))
})

t.test('A link that was used before, has expired, or has another secret verifies nobody', async (t) => {
  // The link of this client has expired by its own clock, and the server goes on to admit.
  const past = () => Date.now() - 3 * 24 * 3600 * 1000
  const alice = await member(t, 'agnes')
  const store = new MemoryStore()
  const early = await member(t, 'erna', { now: past, store })
  const [heard, heardByErna] = [new Listener(t, alice), new Listener(t, early)]

  const used = await alice.invitations.create()
  await chat.services.db.execute(sql`update invites set max_uses = 9 where id = ${used.id}`)
  await joined(t, 'bert', used.link)
  await accepted(heard, 'bert')
  await joined(t, 'mallory', used.link)
  await forged(heard, 'mallory')
  t.equal(await status(alice, 'mallory'), 'unverified')

  const guessed = await alice.invitations.create()
  await joined(t, 'guido', guessed.link.replace(/[^/]{22}$/, 'A'.repeat(22)))
  await forged(heard, 'guido')
  t.equal(await status(alice, 'guido'), 'unverified')

  const expired = await early.invitations.create({ days: 1 })
  await joined(t, 'lars', expired.link)
  await forged(heardByErna, 'lars')
  t.equal(await status(early, 'lars'), 'unverified')
})

t.test('A newcomer whose process dies, or whose answers are lost, greets the inviter once', async (t) => {
  const alice = await member(t, 'amelie')
  const heard = new Listener(t, alice)
  const proxy = await tamperingProxy(t, url)
  const made = await alice.invitations.create()
  const invite = made.link.replace(url, proxy.url)
  const store = new MemoryStore()
  shortenWaits(t)
  const open = () => client(t, proxy.url, { store })
  proxy.tamper({ loses: ({ path }) => path === '/v1/auth/register' })
  const first = await open()
  t.match(await failure(first.register({ username: 'bella', password: PASSWORD, invite })), {
    kind: 'unreachable'
  })
  proxy.tamper({
    instead: ({ method, path }) =>
      method === 'POST' && path === '/v1/conversations' ? { status: 502 } : undefined
  })
  const second = await open()
  await second.register({ username: 'bella', password: PASSWORD, invite })
  t.equal(await status(second, 'amelie'), 'verified')
  let isLost = false
  proxy.tamper({
    loses: ({ method, path }) => !isLost && method === 'POST' && path.endsWith('/messages') && (isLost = true)
  })
  const third = await open()
  await third.flush()
  t.ok(isLost)
  await third.flush()
  t.match(await accepted(heard, 'bella'), { verified: true })
  const { id } = await third.conversations.direct('amelie')
  const read = await all(alice.history(id, { after: 0 }))
  t.equal(read.filter((one) => one.type === 'message' && one.content.type === 'hello').length, 1)
  t.equal(read.length, 1)
})

t.test('Another device of the maker raises no alarm, and learns who is verified', async (t) => {
  const alice = await member(t, 'astrid')
  const phone = await client(t, url)
  const heard = new Listener(t, alice)
  await link(alice, phone)
  const heardByPhone = new Listener(t, phone)
  const made = await alice.invitations.create()
  const bob = await joined(t, 'boris', made.link)
  await accepted(heard, 'boris')
  await bob.send({ username: 'astrid' }, 'here I am')
  await heardByPhone.message('here I am')
  t.notOk(heardByPhone.heard.some(({ type }) => type === 'untrusted' || type === 'invitation-accepted'))
  await alice.flush()
  await eventually(async () => (await status(phone, 'boris')) === 'verified', 'the phone hears of it')
  t.match(await phone.invitations.list(), [{ id: made.id, isFromHere: false }])
})

t.test('A revoked link admits nobody', async (t) => {
  const alice = await member(t, 'alma')
  const made = await alice.invitations.create()
  await alice.invitations.revoke(made.id)
  const bob = await client(t, url)
  const refused = await failure(bob.register({ username: 'bodo', password: PASSWORD, invite: made.link }))
  t.match(refused, { kind: 'refused', code: 'invitation-unavailable' })
  t.match(await failure(alice.invitations.revoke('00000000-0000-0000-0000-000000000000')), {
    code: 'invite-not-found'
  })
})

/** A newcomer by a link whose first message has not reached the server yet. */
async function silent(t: Test, username: string, { link }: { link: string }) {
  const proxy = await tamperingProxy(t, url)
  const isMessage = ({ method, path }: Asked) => method === 'POST' && path.endsWith('/messages')
  proxy.tamper({ instead: (asked) => (isMessage(asked) ? { status: 502 } : undefined) })
  const one = await joined(t, username, link.replace(url, proxy.url), { url: proxy.url })
  return { one, speaks: () => proxy.tamper({}) }
}

/** Somebody who has an account already says that they came by this link. */
async function greet(one: ChatClient, store: MemoryStore, given: string): Promise<void> {
  const parsed = parseLink(given)
  if (parsed.type !== 'join' || parsed.inviter === null) throw new Error('no link of a member')
  const { inviter, token } = parsed
  const said = await helloOf(token, inviter, (await one.contacts.link()).slice(-64))
  const hello = { id: crypto.randomUUID(), root: inviter.root, ...said }
  await store.update((tx) => planHello(tx, inviter.username, hello))
  await one.flush()
}

const told = ({ heard }: Listener) =>
  heard.filter(({ type }) => type === 'untrusted' || type === 'invitation-accepted')

t.test('A newcomer is not taken once the maker has blocked them, or revoked the link', async (t) => {
  shortenWaits(t)
  const alice = await member(t, 'alva')
  const { id } = await alice.conversations.createGroup('team', [])
  const create = () => alice.invitations.create({ groups: [id] })
  const [first, second] = [await create(), await create()]
  const bosse = await silent(t, 'bosse', first)
  const birk = await silent(t, 'birk', second)
  await alice.contacts.block('bosse')
  await alice.invitations.revoke(second.id)
  for (const { one, speaks } of [bosse, birk]) {
    speaks()
    await one.flush()
  }
  const heard = new Listener(t, alice)
  await birk.one.send({ username: 'alva' }, 'here I am')
  await heard.message('here I am')
  t.strictSame(told(heard), [])
  for (const name of ['bosse', 'birk']) t.equal(await status(alice, name), 'unverified')
  await alice.flush()
  t.equal((await alice.conversations.get(id)).members.length, 1)
})

t.test('A block drops what a newcomer’s message has brought about and is not done yet', async (t) => {
  shortenWaits(t)
  const proxy = await tamperingProxy(t, url)
  const alice = await member(t, 'asta', { url: proxy.url })
  const { id } = await alice.conversations.createGroup('team', [])
  const { link } = await alice.invitations.create({ groups: [id] })
  proxy.tamper({ instead: ({ path }) => (path.includes(`/${id}/`) ? { status: 502 } : undefined) })
  const heard = new Listener(t, alice)
  await joined(t, 'bela', link.replace(proxy.url, url))
  await accepted(heard, 'bela')
  await alice.contacts.block('bela')
  proxy.tamper({})
  await alice.flush()
  t.equal((await alice.conversations.get(id)).members.length, 1)
})

t.test('A link proves nothing of a stranger who waits, and replaces no identity that is known', async (t) => {
  const alice = await member(t, 'asa')
  await alice.contacts.setPolicy('requests')
  const heard = new Listener(t, alice)
  const [stranger, store] = [new MemoryStore(), new MemoryStore()]
  const ben = await member(t, 'bent', { store: stranger })
  await greet(ben, stranger, (await alice.invitations.create()).link)
  await heard.first('request')
  await alice.contacts.setPolicy('everyone')
  const bea = await member(t, 'bea')
  await alice.conversations.createGroup('both', ['bea'])
  await bea.close()
  const again = await client(t, url, { store })
  await again.login({ username: 'bea', password: PASSWORD })
  await again.devices.reset({ username: 'bea', password: PASSWORD })
  await greet(again, store, (await alice.invitations.create()).link)
  await forged(heard, 'bea')
  t.equal(await status(alice, 'bea'), 'changed')
  t.equal(await status(alice, 'bent'), 'unverified')
  t.equal(told(heard).length, 1)
})

t.test('A person adds whom they have met by a link, and both see the same', async (t) => {
  const [alice, bob] = [await member(t, 'ada'), await member(t, 'bernd')]
  const card = await alice.contacts.link()
  t.match(card, new RegExp(`^${url}/#/add/ada/[0-9a-f]{64}$`))
  t.equal(await bob.contacts.add(card), 'ada')
  t.equal(await status(bob, 'ada'), 'verified')
  const other = card.replace(/.{4}$/, '0000')
  t.match(await failure(bob.contacts.add(other)), { kind: 'untrusted', code: 'forged-link' })
  t.equal(await status(bob, 'ada'), 'verified')
  t.match(await failure(alice.contacts.add(card)), { code: 'own-username' })
  const { conversationId } = await bob.send({ username: 'ada' }, 'hi')
  t.same(await texts(alice, conversationId), ['hi'])
})

t.test('A link that does not fit says why', async (t) => {
  const alice = await member(t, 'adele')
  const { link } = await alice.invitations.create()
  const card = await alice.contacts.link()
  const bob = await client(t, url)
  const join = async (invite: string) =>
    (await failure(bob.register({ username: 'bruno', password: PASSWORD, invite }))).code
  t.equal(await join(link.slice(0, -1)), 'invalid-link')
  t.equal(await join('hello'), 'invalid-link')
  t.equal(await join(link.replace(url, 'https://chat.example.org')), 'other-server')
  t.equal(await join(card), 'no-invitation')
  t.equal((await failure(alice.contacts.add(link))).code, 'no-contact')
  const { conversationId } = await alice.send({ username: 'ada' }, 'x')
  t.equal((await failure(alice.invitations.create({ groups: [conversationId] }))).code, 'not-admin')
})
