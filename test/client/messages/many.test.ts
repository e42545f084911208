import t from 'tap'
import { fakeClient } from '../../support/fake-clients.js'
import { Listener, PASSWORD } from '../../support/chat-clients.js'
import { MemoryStore } from '../../../src/client/stores/memory.js'
import type { Value } from '../../../src/client/stores/store.js'
import { inShort, scene, told } from '../../support/malicious-server.js'

/** A store that counts the characters of what is written into it. */
class CountingStore extends MemoryStore {
  written = 0

  override update<T>(work: Parameters<MemoryStore['update']>[0]): Promise<T> {
    return super.update((tx) =>
      work({
        get: (name) => tx.get(name),
        list: (prefix) => tx.list(prefix),
        delete: (name) => tx.delete(name),
        set: (name: string, value: Value) => {
          this.written += name.length + JSON.stringify(value).length
          tx.set(name, value)
        }
      })
    ) as Promise<T>
  }
}

t.test('Any number of messages waits for a key, and costs little, also if its sender goes', async (t) => {
  const store = new CountingStore()
  const { server, bob, talk, alice, carol, listen } = await scene(t, ['carol', 'alice'], { store })
  const heard = await listen()
  const { secret } = await talk.change([], alice.device)
  const own = bob.account!.deviceId
  const wrap = talk.conversation.key.wraps.get(own)!
  talk.conversation.key.wraps.delete(own)
  const texts = Array.from({ length: 1001 }, (_, at) => `text ${at + 1}`)
  const say = async (from: number, to: number): Promise<void> => {
    for (let n = from; n <= to; n++) await talk.say(alice, texts[n - 1]!, n)
    const { lastPosition } = talk.conversation
    await heard.first('unreadable', ({ position }) => position === lastPosition)
  }
  await say(1, 1000)
  const before = store.written
  await say(1001, 1001)
  t.ok(store.written - before < 2048, `${store.written - before} bytes`)

  const phone = await alice.add()
  await alice.revoke(alice.device.id, phone)
  server.announce(alice.user)
  await talk.change([], carol.device)
  await talk.say(carol, 'known to have gone', 1)
  await heard.message('known to have gone')
  const { wraps } = talk.conversation.keys.find(({ id }) => id === secret.id)!
  wraps.set(own, wrap)
  const data = { conversationId: talk.id, sessionKeyId: secret.id, deviceIds: [own] }
  server.log.append(['bob'], 'session-key.shared', data)
  await heard.message('text 1001')
  t.strictSame(await told(bob, talk.id), [...texts, 'known to have gone'])
  t.strictSame(await store.list('unread/'), [], 'nothing waits any more')
})

t.test('A device misses nothing of what was said before its stream began, however much it was', async (t) => {
  const { server, bob, talk, alice, carol } = await scene(t, ['carol', 'alice'])
  await bob.send(talk.id, 'hello')
  const tablet = await fakeClient(t, server)
  const login = await tablet.login({ username: 'bob', password: PASSWORD })
  if (login.status !== 'pending') throw new Error('a new device was let in without approval')
  await bob.devices.approve(login.deviceId, { number: login.linkNumber })
  await talk.change([], carol.device)
  await talk.say(alice, 'one', 1)
  for (let n = 1; n <= 1001; n++) await talk.say(carol, `text ${n}`, n)
  await tablet.confirmLink(login.linkNumber)
  await tablet.waitForApproval()
  const heard = new Listener(t, tablet)
  await heard.first('connected')
  await talk.say(alice, 'four', 4)
  await heard.message('four')
  const shown = heard.heard.filter(({ type }) => type === 'message' || type === 'withheld')
  t.strictSame(shown.map(inShort).slice(0, 2), ['withheld 2–3', 'four'])
})
