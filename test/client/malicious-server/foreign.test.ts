import t from 'tap'
import { wrapSessionKey } from '../../../src/crypto/wraps.js'
import { importEncryptionKey, fingerprint } from '../../../src/crypto/keys.js'
import { decodeKemKey } from '../../../src/crypto/kem.js'
import { json } from '../../support/fake-answers.js'
import { keyFor } from '../../support/fake-conversation-views.js'
import type { FakeServer } from '../../support/fake-server.js'
import { hasWrappedFor, hijack, outcome, scene, told } from '../../support/malicious-server.js'
import { puppetTalk, type PuppetTalk } from '../../support/puppet-talk.js'

/** Show Bob a conversation of others, with a wrap of its key for Bob's device. */
async function show(server: FakeServer, talk: PuppetTalk): Promise<void> {
  const [device] = server.requireUser('bob').active
  const to = {
    signingKey: await fingerprint(device!.signingKey),
    encryptionKey: await importEncryptionKey(device!.encryptionKey),
    kemKey: decodeKemKey(device!.kemKey!)
  }
  talk.conversation.key.wraps.set(device!.id, await wrapSessionKey(talk.key.secret, to, talk.key.hash))
  server.lies.push(({ path, method, query, username }) => {
    if (username !== 'bob' || method !== 'GET' || !path.startsWith(`/v1/conversations/${talk.id}`))
      return undefined
    const { statements, head, lastPosition, key, messages } = talk.conversation
    const items = statements.slice(Number(query.get('after') ?? 0))
    if (path.endsWith('/chain')) return json({ head, lastPosition, items, next: null })
    if (path.includes('/session-keys/')) return json({ sessionKey: keyFor(key, device!.id) })
    return path.endsWith('/messages') ? json({ items: messages, next: null }) : undefined
  })
}

/** Bob has verified Alice. Mallory is an account of the server's, with a conversation of her own devices. */
async function verified() {
  const all = await scene(t, ['alice'], { kind: 'direct' })
  const { server, bob, talk, alice } = all
  const heard = await all.listen()
  await talk.say(alice, 'hello', 1)
  await heard.message('hello')
  await bob.contacts.verify('alice', await bob.contacts.safetyNumber('alice'))
  await bob.send(talk.id, 'hello, alice')
  const mallory = await server.puppet('mallory')
  const own = await puppetTalk(server, 'self', [[mallory.user]], mallory)
  await show(server, own)
  const tell = async (content: { type: string }): Promise<void> => {
    const message = await own.say(mallory, content, 1, { isStreamed: false })
    server.log.append(['bob'], 'message', message, message.position)
    await talk.say(alice, 'behind it', 2)
    await heard.message('behind it')
  }
  return { ...all, tell }
}

t.test('Nobody but the own devices says whom a person trusts', async (t) => {
  const { server, bob, talk, alice, tell } = await verified()
  const evil = await hijack(alice.user)
  const root = evil.signing.fingerprint
  const said = { root, since: 2, decided: true, verified: true, sequence: 2, head: alice.user.head }
  await tell({ type: 'trust', users: { alice: said }, conversations: {} } as { type: string })
  t.match(await bob.contacts.get('alice'), { status: 'changed', wasVerified: true })
  t.equal(await outcome(bob.send(talk.id, 'a secret')), 'identity-changed')
  t.notOk(hasWrappedFor(server, evil.id))
})

t.test('Nobody but the own devices and members says where a chain ends', async (t) => {
  const { bob, talk, tell } = await verified()
  const conversations = { [talk.id]: { sequence: 50, head: 'ab'.repeat(32) } }
  await tell({ type: 'trust', users: {}, conversations } as { type: string })
  t.equal(await outcome(bob.send(talk.id, 'goes on')), 'done')
})

t.test('A conversation of others shows nothing, although its key was wrapped for this device', async (t) => {
  const { server, bob, alice } = await scene(t, ['alice', 'carol'])
  const other = await puppetTalk(
    server,
    'group',
    [[alice.user, 'admin'], [server.requireUser('carol')]],
    alice
  )
  await other.say(alice, 'for carol', 1, { isStreamed: false })
  await show(server, other)
  const shown = await told(bob, other.id).catch((): string[] => [])
  t.notOk(shown.includes('for carol'))
})
