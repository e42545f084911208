import { randomUUID } from 'node:crypto'
import t from 'tap'
import type { ChatClient } from '../../../src/client/client.js'
import { foldConversation } from '../../../src/client/index.js'
import type { IncomingMessage } from '../../../src/client/types/messages.js'
import { all } from '../../support/chat-clients.js'
import { fakeUser } from '../../support/fake-clients.js'
import { TIME } from '../../support/fake-user.js'
import { longestBlock } from '../../support/longest-block.js'
import { inShort, outcome, scene, told } from '../../support/malicious-server.js'
import { binding, nextPlace, publicKeys, puppetDevice, Puppet } from '../../support/puppet.js'
import { line } from '../../support/puppet-conversation.js'
import { rawMessage } from '../../support/puppet-raw-message.js'
import { puppetTalk } from '../../support/puppet-talk.js'

/** A conversation as an app draws it: one line a message, with its reactions. */
async function view(chat: ChatClient, id: string): Promise<string[]> {
  const items = await all(chat.history(id, { after: 0 }))
  const messages = items.filter((item): item is IncomingMessage => item.type === 'message')
  return foldConversation(messages).messages.map(({ from, content, reactions }) =>
    [`${from.username}: ${(content as { text: string }).text}`, ...Object.keys(reactions)].join(' ')
  )
}

t.test(
  'A reaction, a reply, an edit and a retraction count for the bytes that their author saw',
  async (t) => {
    const { bob, talk, alice, mallory } = await scene(t, ['alice', 'mallory'])
    const id = randomUUID()
    const lunch = await talk.say(alice, 'lunch?', 1, { id })
    // The same id, and a place before it. The server shows it first.
    const lie = await talk.say(mallory, 'pay mallory', 1, {
      id,
      position: lunch.position - 1,
      isStreamed: false
    })
    const ref = lunch.ref
    await talk.say(alice, { type: 'reaction', ref, text: '👍' }, 2)
    await talk.say(alice, { type: 'text', ref, text: 'at noon' }, 3)
    t.strictSame(await view(bob, talk.id), ['mallory: pay mallory', 'alice: lunch? 👍', 'alice: at noon'])
    await talk.say(mallory, { type: 'edit', ref, text: 'pay mallory' }, 2)
    await talk.say(mallory, { type: 'retract', ref }, 3)
    await talk.say(alice, { type: 'edit', ref: { id, digest: 'ab'.repeat(32) }, text: 'for other bytes' }, 4)
    await talk.say(alice, { type: 'reaction', ref: lie.ref, text: '👎' }, 5)
    t.strictSame(await view(bob, talk.id), ['mallory: pay mallory 👎', 'alice: lunch? 👍', 'alice: at noon'])
  }
)

t.test('No message takes the place of another one, whatever its id', async (t) => {
  const { bob, talk, alice, mallory } = await scene(t, ['alice', 'mallory'])
  const { id } = await talk.say(alice, 'cancelled', 1)
  t.strictSame(await view(bob, talk.id), ['alice: cancelled'])
  await talk.say(mallory, 'hi', 1, { id: `${id.slice(0, 8)}-1111-4111-8111-11111111${id.slice(-4)}` })
  await talk.say(mallory, 'takes its place', 2, { id })
  await talk.say(alice, 'under a used id', 2, { id })
  const shown = await told(bob, talk.id)
  t.strictSame(shown, ['cancelled', 'hi', 'takes its place', 'replayed-message'])
  t.strictSame(await view(bob, talk.id), ['alice: cancelled', 'mallory: hi', 'mallory: takes its place'])
})

t.test('The last of several edits of one device counts, not the one that the server puts last', async (t) => {
  const { bob, talk, alice } = await scene(t, ['alice'])
  const { ref } = await talk.say(alice, '?', 1)
  const yes = await talk.say(alice, { type: 'edit', ref, text: 'YES' }, 2)
  await talk.say(alice, { type: 'edit', ref, text: 'NO' }, 3)
  const [first, second, third] = talk.conversation.messages
  talk.conversation.messages = [
    first!,
    { ...third!, position: yes.position },
    { ...second!, position: third!.position }
  ]
  for (let reading = 1; reading <= 2; reading++) t.strictSame(await view(bob, talk.id), ['alice: NO'])
})

t.test('Messages by a key that two members have bound are nobody’s', async (t) => {
  const { server, bob, talk, alice } = await scene(t, ['alice'])
  const carol = await fakeUser(t, server, 'carol')
  const device = await puppetDevice()
  const twins: Puppet[] = []
  for (const name of ['mallory-a', 'mallory-b']) {
    const user = server.user(name)
    const own = { ...device, id: randomUUID() }
    await user.append(await binding('device-add', nextPlace(user), own), publicKeys(own))
    twins.push(new Puppet(user, own))
  }
  const lines = [...twins.map(({ user }) => user), server.requireUser('carol')].map((user) => line(user))
  const changes = lines.map((member) => ({ kind: 'conversation-add', member }) as const)
  await talk.change(changes, alice.device)
  await bob.users.get('mallory-a')
  await carol.users.get('mallory-b')
  for (const [at, twin] of twins.entries()) await talk.say(twin, `who? ${at}`, at + 1)
  for (const chat of [bob, carol])
    t.strictSame(await told(chat, talk.id), ['ambiguous-key', 'ambiguous-key'], chat.account!.username)
  await talk.show(await talk.sign([], device))
  t.strictSame(await outcome(bob.conversations.get(talk.id)), 'forbidden-statement')
})

t.test('A number above 2^20 is refused, and a large gap stops nobody', async (t) => {
  const { talk, mallory, listen } = await scene(t, ['mallory'], { kind: 'direct' })
  const heard = await listen()
  await talk.say(mallory, 'hello', 1)
  await heard.message('hello')
  const { longest } = await longestBlock(async () => {
    await talk.say(mallory, 'far', 2 ** 20)
    await heard.message('far')
    for (const n of [2 ** 20 + 1, 2 ** 31, 2 ** 53]) await talk.say(mallory, 'too far', n)
    await talk.say(mallory, 'end', 2)
    await heard.message('end')
  })
  t.ok(longest < 200, `${longest} ms`)
  const refused = Array.from({ length: 3 }, () => 'malformed-message')
  t.strictSame(heard.heard.slice(-7).map(inShort), [
    `withheld 2–${2 ** 20 - 1}`,
    'far',
    ...refused,
    'reordered',
    'end'
  ])
})

t.test('Text that clients in other languages would read otherwise is refused', async (t) => {
  const { bob, talk, alice } = await scene(t, ['alice'])
  const time = `"sentAt":"${TIME}"`
  const deep = `${'['.repeat(16)}${']'.repeat(16)}`
  const texts = [
    `{"type":"text","text":"one","text":"other","n":1,${time}}`,
    `{"type":"text","text":"one","n":1,"n":2,${time}}`,
    `{"type":"text","text":"one","\\u006e":2,"n":1,${time}}`,
    ...['1.0', '1e0', '-0', '"1"'].map((n) => `{"type":"text","text":"one","n":${n},${time}}`),
    `{"type":"text","text":"\\ud800","n":1,${time}}`,
    `{"type":"text","text":"one","n":1,${time},"unknown":"\\ud800"}`,
    `{"type":"text","text":"one","n":1,${time},"deep":${deep}}`,
    `[{"type":"text","text":"one","n":1,${time}}]`,
    `{"type":"text","text":"one","n":1,${time}} x`
  ]
  const bytes = [...texts, Uint8Array.from([0x7b, 0xff, 0x7d])]
  for (const plaintext of bytes)
    talk.serve(alice, await rawMessage(talk.id, talk.key, alice.device, plaintext))
  const codes = new Set(await told(bob, talk.id))
  t.strictSame(
    [...codes].sort(),
    ['bad-content', 'malformed-message'].filter((code) => codes.has(code))
  )
  t.equal((await told(bob, talk.id)).length, bytes.length)
  talk.serve(
    alice,
    await rawMessage(talk.id, talk.key, alice.device, `{"type":"text","text":"good","n":1,${time}}`)
  )
  t.equal((await told(bob, talk.id)).at(-1), 'good')
})

t.test('A conversation in which this user is not shows nothing', async (t) => {
  const { server, bob, alice } = await scene(t, ['alice', 'carol'])
  const carol = server.requireUser('carol')
  const other = await puppetTalk(server, 'direct', [[alice.user], [carol]], alice)
  await other.say(alice, 'for carol', 1)
  server.lies.push(async ({ path }) =>
    path.startsWith(`/v1/conversations/${other.id}/messages`)
      ? { items: other.conversation.messages, next: null }
      : undefined
  )
  const shown = await told(bob, other.id).catch((): string[] => [])
  t.notOk(shown.includes('for carol'))
})
