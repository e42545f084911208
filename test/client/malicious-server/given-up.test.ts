import t from 'tap'
import { Listener } from '../../support/chat-clients.js'
import { fakeClient, linkedDevice } from '../../support/fake-clients.js'
import type { FakeConversation } from '../../support/fake-conversation.js'
import { inShort, outcome, scene, told, type Scene } from '../../support/malicious-server.js'
import { nextPlace, revocation } from '../../support/puppet.js'
import { line } from '../../support/puppet-conversation.js'
import type { PuppetTalk } from '../../support/puppet-talk.js'

/** The conversation as it is now, with its messages. It may go on otherwise. */
async function copyOf({ conversation }: PuppetTalk, { server }: Pick<Scene, 'server'>) {
  const copy = await conversation.fork(conversation.requests, server.users)
  copy.messages = [...conversation.messages]
  for (const username of copy.members.keys()) copy.joined.set(username, 1)
  return copy
}

/** The server shows this conversation from now on. */
function show({ server, talk }: Pick<Scene, 'server' | 'talk'>, conversation: FakeConversation): void {
  talk.conversation = conversation
  server.conversations.set(talk.id, conversation)
}

/** Bob hears Alice, and then a removal of Alice that nobody else is shown. The person gives that chain up. */
async function removedAndBack(position: number) {
  const all = await scene(t, ['mallory', 'alice'])
  const { server, bob, talk, alice, mallory } = all
  await talk.change([{ kind: 'conversation-role', member: line(alice.user, 'admin') }], mallory.device)
  const heard = await all.listen()
  await talk.say(alice, 'before', 1)
  await heard.message('before')
  const { key } = talk
  const honest = await copyOf(talk, all)
  await talk.change([{ kind: 'conversation-remove', username: 'alice' }], mallory.device)
  await heard.first('members', ({ change }) => change === 'removed')
  const { conversation: given } = talk
  show(all, honest)
  talk.key = key
  server.log.position += position
  t.equal(await outcome(bob.send(talk.id, 'who reads this?')), 'server-behind')
  await bob.conversations.accept(talk.id, honest.head)
  return { ...all, heard, given, key }
}

for (const [server, position] of [
  ['lies', 0],
  ['was restored', 50]
] as const)
  t.test(
    `A member who is in the chain that the person takes is heard, when a server ${server}`,
    async (t) => {
      const { bob, talk, alice, mallory, heard } = await removedAndBack(position)
      await talk.say(alice, 'I am still here', 2)
      await talk.say(mallory, 'end', 1)
      await heard.message('end')
      t.strictSame(heard.heard.slice(-2).map(inShort), ['I am still here', 'end'])
      t.strictSame(await told(bob, talk.id), ['before', 'I am still here', 'end'])
    }
  )

t.test('A removal that comes again after the person has given it up counts from there on', async (t) => {
  const { server, bob, talk, alice, heard, given, key } = await removedAndBack(50)
  await talk.say(alice, 'I am still here', 2)
  await heard.message('I am still here')
  given.messages = [...talk.conversation.messages]
  show({ server, talk }, given)
  const removal = given.statements.slice(-2)
  const event = { conversationId: talk.id, sequence: given.statements.length, items: removal }
  given.lastPosition = server.log.append(['bob'], 'conversation.chain', event)
  await talk.say(alice, 'removed', 3, { key, isStreamed: false })
  server.log.append(['bob'], 'message', talk.conversation.messages.at(-1)!, server.log.position)
  await heard.first('unreadable', ({ error }) => error.code === 'after-removal')
  t.strictSame(await told(bob, talk.id), ['before', 'I am still here', 'after-removal'])
})

/** The server has a stolen device of Alice retire the good one, for Bob only. */
async function stolen() {
  const all = await scene(t, ['alice'], { kind: 'direct' })
  const { server, bob, talk, alice } = all
  const { user: honest, device: good } = alice
  const thief = await alice.add()
  server.announce(honest)
  const heard = await all.listen()
  await bob.send(talk.id, 'hello')
  const fork = await honest.fork(honest.statements.length)
  await fork.append(await revocation(nextPlace(fork), good.id, thief))
  server.users.set('alice', fork)
  server.announce(fork)
  await heard.first('device-changed', ({ change }) => change === 'revoked')
  server.users.set('alice', honest)
  await alice.revoke(thief.id, good)
  return { ...all, heard, good, honest }
}

t.test('A device that is active in the chain that the person takes changes the conversation', async (t) => {
  const { server, bob, talk, alice, good, honest, heard } = await stolen()
  server.announce(honest)
  t.equal(await outcome(bob.contacts.get('alice')), 'forked-chain')
  await bob.users.accept('alice', honest.head)
  await bob.send(talk.id, 'now')
  const before = heard.heard.length
  await talk.change([], good)
  await talk.say(alice, 'it is me', 1)
  await heard.message('it is me')
  const since = heard.heard.slice(before).map(inShort)
  t.notOk(since.includes('after-revocation'), since.join())
})

t.test('A message under a key of a chain that was given up is refused at once', async (t) => {
  const all = await scene(t, ['mallory', 'alice'])
  const { server, bob, talk, mallory } = all
  const heard = await all.listen()
  const honest = await copyOf(talk, all)
  const ghost = await server.puppet('ghost')
  await talk.change([{ kind: 'conversation-add', member: line(ghost.user) }], mallory.device)
  const { key } = talk
  await talk.say(ghost, 'hi', 1)
  await heard.message('hi')
  honest.messages = [...talk.conversation.messages]
  show(all, honest)
  await bob.conversations.accept(talk.id, honest.head)
  await talk.say(mallory, 'to the ghost, too', 1, { key })
  await heard.first('unreadable', ({ error }) => error.code === 'forked-chain')
  t.strictSame(await told(bob, talk.id), ['forbidden-statement', 'forked-chain'])
})

/** A chain of Bob's own, and another one as long, which everybody else has. */
async function twoChains() {
  const all = await scene(t, ['alice', 'carol'])
  const { bob, talk, alice } = all
  const heard = await all.listen()
  const honest = await copyOf(talk, all)
  await talk.change([{ kind: 'conversation-timer', messageTtl: 30 }], alice.device)
  await bob.conversations.get(talk.id)
  show(all, honest)
  await talk.change([{ kind: 'conversation-timer', messageTtl: 60 }], alice.device)
  await heard.first('untrusted', ({ error }) => error.code === 'forked-chain')
  return { ...all, heard, honest }
}

t.test(
  'A key that is missing in one chain is found at once in the chain that the person takes',
  async (t) => {
    const { bob, talk, alice, honest } = await twoChains()
    await talk.say(alice, 'new', 1, { isStreamed: false })
    t.strictSame(await told(bob, talk.id), ['forked-chain'])
    await bob.conversations.accept(talk.id, honest.head)
    t.strictSame(await told(bob, talk.id), ['new'])
  }
)

t.test('A chain that the person has taken in one process is that of all processes', async (t) => {
  const { server, bob, store, talk, alice, honest, heard } = await twoChains()
  const other = await fakeClient(t, server, { store })
  await other.conversations.accept(talk.id, honest.head)
  t.equal(await outcome(bob.conversations.get(talk.id)), 'done')
  t.equal(await outcome(bob.send(talk.id, 'me too')), 'done')
  await talk.say(alice, 'new', 1)
  await heard.message('new')
  t.equal(await store.get(`chain-doubt/${talk.id}`), undefined)
})

t.test('The first link that a stream brought of another chain makes no past message a new one', async (t) => {
  const all = await scene(t, ['alice', 'carol'])
  const { server, bob, talk, alice, carol } = all
  const fork = await copyOf(talk, all)
  for (const messageTtl of [30, 60])
    await talk.change([{ kind: 'conversation-timer', messageTtl }], alice.device)
  const { conversation: honest, key } = talk
  await talk.say(carol, 'long ago', 1)
  await bob.conversations.get(talk.id)
  const phone = await linkedDevice(t, server, bob)
  server.log.position += 5
  show(all, fork)
  const heard = new Listener(t, phone)
  await heard.first('connected')
  await talk.change([{ kind: 'conversation-timer', messageTtl: 90 }], alice.device)
  await heard.first('conversation')
  show(all, honest)
  talk.key = key
  await phone.conversations.accept(talk.id, honest.head)
  await talk.change([{ kind: 'conversation-remove', username: 'carol' }], alice.device)
  await heard.first('members', ({ change }) => change === 'removed')
  t.strictSame(await told(phone, talk.id), ['long ago'])
})
