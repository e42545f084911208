import t from 'tap'
import { wrapHash, wrapSessionKey } from '../../../src/crypto/wraps.js'
import { fingerprint, importEncryptionKey } from '../../../src/crypto/keys.js'
import { decodeKemKey } from '../../../src/crypto/kem.js'
import { signStatement } from '../../../src/crypto/statements.js'
import { statementText } from '../../../src/protocol/statement-texts.js'
import type { ChatClient } from '../../../src/client/client.js'
import { Listener, PASSWORD } from '../../support/chat-clients.js'
import { eventually } from '../../support/eventually.js'
import { problem } from '../../support/fake-answers.js'
import { fakeClient, fakeUser, linkedDevice } from '../../support/fake-clients.js'
import { FakeServer } from '../../support/fake-server.js'
import { hasWrappedFor, hijack, outcome, scene } from '../../support/malicious-server.js'
import { Puppet } from '../../support/puppet.js'
import { puppetTalk } from '../../support/puppet-talk.js'
import type { Scope } from '../../support/server-process.js'

/** The client reads what its stream has by now, and says what it has to say. */
async function read(owner: Scope, chat: ChatClient, until: () => Promise<boolean>): Promise<void> {
  const listener = new Listener(owner, chat)
  await listener.first('connected')
  await eventually(until, 'what the stream has to bring')
  await listener.stop()
}

t.test(
  'A root that another own device has only met replaces none that the person has verified',
  async (t) => {
    const server = new FakeServer()
    const laptop = await fakeUser(t, server, 'bob')
    const phone = await linkedDevice(t, server, laptop)
    await laptop.flush()
    await read(t, phone, async () => !(await phone.contacts.isWaiting()))
    const alice = await server.puppet('alice')
    await laptop.contacts.verify('alice', await laptop.contacts.safetyNumber('alice'))
    const { id } = await laptop.conversations.direct('alice')
    await laptop.send(id, 'hello')
    const before = await alice.user.fork(1)
    const evil = await hijack(alice.user)
    const phoneId = phone.account!.deviceId
    // The phone alone sees the reset, and what the laptop has said is held back from it.
    server.log.events.length = 0
    server.view = (name, viewer) =>
      name === 'alice' && viewer.deviceId !== phoneId ? before : server.users.get(name)
    const root = evil.signing.fingerprint
    t.match(await phone.contacts.get('alice'), { root, status: 'unverified' })
    await phone.flush()
    server.view = (name) => server.users.get(name)
    const heard = new Listener(t, laptop)
    await heard.first('connected')
    server.announce(alice.user)
    t.match(await heard.first('identity-changed'), { username: 'alice', wasVerified: true })
    t.match(await laptop.contacts.get('alice'), { status: 'changed', wasVerified: true })
    t.equal(await outcome(laptop.send(id, 'a secret')), 'identity-changed')
    t.notOk(hasWrappedFor(server, evil.id))
  }
)

for (const way of ['linked', 'restored'] as const)
  t.test(`A root that was only met is no decision on a device that is ${way}`, async (t) => {
    const server = new FakeServer()
    const bob = await fakeUser(t, server, 'bob')
    const alice = await server.puppet('alice')
    const talk = await puppetTalk(server, 'direct', [[alice.user], [server.requireUser('bob')]], alice)
    const evil = await hijack(alice.user)
    t.equal(await outcome(bob.send(talk.id, 'to whom?')), 'identity-changed')
    let other: ChatClient
    if (way === 'linked') {
      other = await linkedDevice(t, server, bob)
      await outcome(bob.flush())
      await read(t, other, async () => !(await other.contacts.isWaiting()))
    } else {
      const { recoveryCode: code } = await bob.backup.create()
      other = await fakeClient(t, server)
      await other.restore({ username: 'bob', password: PASSWORD, code: code! })
    }
    t.equal(await outcome(other.send(talk.id, 'to whom?')), 'identity-changed')
    t.notOk(hasWrappedFor(server, evil.id))
    await bob.contacts.accept('alice', { root: evil.signing.fingerprint })
    await read(t, other, async () => (await outcome(other.send(talk.id, 'as decided'))) === 'done')
  })

t.test('A device that the server has put aside takes nobody’s word for whom the person trusts', async (t) => {
  const { server, bob, talk, alice, user, listen } = await scene(t, ['alice'], { kind: 'direct' })
  const heard = await listen()
  await talk.say(alice, 'hello', 1)
  await heard.message('hello')
  const own = user.active[0]!
  const evil = { alice: await hijack(alice.user), bob: await hijack(user) }
  const self = await puppetTalk(server, 'self', [[user]], new Puppet(user, evil.bob))
  const reader = await fingerprint(own.signingKey)
  const to = {
    signingKey: reader,
    encryptionKey: await importEncryptionKey(own.encryptionKey),
    kemKey: decodeKemKey(own.kemKey!)
  }
  const { hash: key, secret } = self.key
  const wrappedKey = await wrapSessionKey(secret, to, key)
  const wrap = await wrapHash(wrappedKey)
  const by = evil.bob.signing.fingerprint
  const text = statementText({ kind: 'wrap-added', conversation: self.id, key, reader, wrap, by })
  const statement = await signStatement(text, evil.bob.signing)
  self.conversation.key.added.set(own.id, [{ wrappedKey, statement }])
  const { head, root } = alice.user
  const users = { alice: { root, since: 2, decided: true, verified: true, sequence: 2, head } }
  await self.say(new Puppet(user, evil.bob), { type: 'trust', users, conversations: {} }, 1)
  await talk.say(alice, 'end', 2)
  await heard.message('end')
  t.match(await bob.contacts.get('alice'), { status: 'changed', wasVerified: false })
})

t.test('Keys are replaced in time, although nothing can be told to the other devices', async (t) => {
  const { server, bob, store, user } = await scene(t, ['alice'])
  await linkedDevice(t, server, bob)
  await bob.flush()
  await bob.close()
  const later = await fakeClient(t, server, { store, now: () => Date.now() + 121 * 86_400_000 })
  server.lies.push(({ method, path }) =>
    method === 'POST' && /^\/v1\/conversations(\/|$)/.test(path) ? problem('forbidden') : undefined
  )
  await later.contacts.verify('alice', await later.contacts.safetyNumber('alice'))
  t.equal(await outcome(later.flush()), 'forbidden')
  t.equal(user.statements.filter(({ text }) => text.includes('device-rekey')).length, 1)
})
