import t from 'tap'
import type { ChatClient } from '../../../src/client/client.js'
import { MemoryStore } from '../../../src/client/stores/memory.js'
import { Listener, PASSWORD } from '../../support/chat-clients.js'
import { eventually } from '../../support/eventually.js'
import { fakeClient, linkedDevice } from '../../support/fake-clients.js'
import type { FakeServer } from '../../support/fake-server.js'
import { outcome, scene, told } from '../../support/malicious-server.js'
import type { Puppet } from '../../support/puppet.js'
import type { PuppetKey } from '../../support/puppet-conversation.js'
import type { PuppetTalk } from '../../support/puppet-talk.js'

/** A member makes a session key, and wraps something else for one device. */
async function wrongFor(talk: PuppetTalk, { device }: Puppet, deviceId: string): Promise<PuppetKey> {
  const key = await talk.change([], device)
  talk.conversation.key.wraps.set(deviceId, 'A'.repeat(2000))
  return key
}

async function listen(chat: ChatClient): Promise<Listener> {
  const listener = new Listener(t, chat)
  await listener.first('connected')
  return listener
}

/** Bob's backup on a new machine. */
async function restored(server: FakeServer, code: string) {
  const chat = await fakeClient(t, server)
  return { chat, ...(await chat.restore({ username: 'bob', password: PASSWORD, code })) }
}

/** Requests by which one of Bob's devices has passed on this key. */
function passedOn({ seen }: FakeServer, { secret }: PuppetKey): number {
  return seen.filter(({ path }) => path.includes(`/${secret.id}/wraps`)).length
}

/** The device does not get through with later wraps while `isDown` says so. */
function cutOff({ lies }: FakeServer, of: string, isDown: () => boolean): void {
  lies.push(({ method, path, deviceId }) => {
    if (isDown() && method === 'POST' && path.endsWith('/wraps') && deviceId === of)
      throw new TypeError('fetch failed')
  })
}

t.test(
  'A key that a member wraps wrongly for a backup comes into it by a device that has read',
  async (t) => {
    const { server, bob, talk, mallory, carol, user } = await scene(t, ['mallory', 'carol'])
    const { recoveryCode } = await bob.backup.create()
    const recovery = [...user.history!.chain.devices.values()].find(({ purpose }) => purpose === 'recovery')!
    const heard = await listen(bob)
    const key = await wrongFor(talk, mallory, recovery.id)
    await talk.say(carol, 'a letter', 1)
    await talk.say(carol, 'and another', 2)
    await heard.message('and another')
    await bob.flush()
    t.equal(passedOn(server, key), 1, 'once')
    await bob.close()
    const { chat, unopenedKeys } = await restored(server, recoveryCode!)
    t.strictSame(await told(chat, talk.id), ['a letter', 'and another'])
    t.equal(unopenedKeys, 0)
  }
)

t.test('A restore says how many keys of the backup do not open', async (t) => {
  const { server, bob, talk, mallory, carol, user } = await scene(t, ['mallory', 'carol'])
  await talk.say(carol, 'before', 1)
  await told(bob, talk.id)
  const { recoveryCode } = await bob.backup.create()
  await bob.close()
  const recovery = [...user.history!.chain.devices.values()].find(({ purpose }) => purpose === 'recovery')!
  await wrongFor(talk, mallory, recovery.id)
  await talk.say(carol, 'a letter', 1)
  const { chat, unopenedKeys } = await restored(server, recoveryCode!)
  t.equal(unopenedKeys, 1)
  t.equal((await told(chat, talk.id))[0], 'before')
})

t.test(
  'A device that was given a wrong key reads when another own device has passed on the key',
  async (t) => {
    const { server, bob: laptop, talk, mallory, carol } = await scene(t, ['mallory', 'carol'])
    const tabletStore = new MemoryStore()
    const tablet = await linkedDevice(t, server, laptop, { store: tabletStore })
    const laptopId = laptop.account!.deviceId
    const [heard, tablets] = [await listen(laptop), await listen(tablet)]
    const first = await wrongFor(talk, mallory, laptopId)
    await talk.say(carol, 'who reads this?', 1)
    await heard.message('who reads this?')
    t.equal(passedOn(server, first), 1)
    t.strictSame(await told(laptop, talk.id), ['who reads this?'])
    await tablets.message('who reads this?')

    // The tablet has heard of it, and ends before the wrap gets through.
    let isDown = true
    cutOff(server, tablet.account!.deviceId, () => isDown)
    const second = await wrongFor(talk, mallory, laptopId)
    await talk.say(carol, 'and this?', 1)
    await eventually(() => passedOn(server, second) > 0)
    await tablet.close()
    isDown = false
    const again = await fakeClient(t, server, { store: tabletStore })
    await again.flush()
    await heard.message('and this?')
    t.strictSame(await told(laptop, talk.id), ['who reads this?', 'and this?'])
  }
)

t.test(
  'A device asks for keys that it was given wrongly some times a day, then for all at once',
  async (t) => {
    let time = Date.now()
    const now = () => time
    const { server, bob: laptop, talk, mallory, carol } = await scene(t, ['mallory', 'carol'], { now })
    const tablet = await linkedDevice(t, server, laptop, { now })
    const [heard, tablets] = [await listen(laptop), await listen(tablet)]
    const laptopId = laptop.account!.deviceId
    await laptop.flush()
    const [self] = (await laptop.conversations.list()).filter(({ kind }) => kind === 'self')
    const sent = () => server.seen.filter(isAsk).length
    const isAsk = ({ method, path, deviceId }: FakeServer['seen'][number]) =>
      method === 'POST' && path.startsWith(`/v1/conversations/${self!.id}/messages`) && deviceId === laptopId
    const before = sent()
    for (let round = 1; round <= 7; round++) {
      const key = await wrongFor(talk, mallory, laptopId)
      await talk.say(carol, `round ${round}`, 1, { key })
      await tablets.message(`round ${round}`)
      if (round <= 5) await heard.message(`round ${round}`)
      else await heard.first('unreadable', (one) => one.key === key.hash)
      await laptop.flush()
    }
    t.equal(sent() - before, 5)
    time += 25 * 3600 * 1000
    const asked = sent()
    await laptop.flush()
    await heard.message('round 6')
    await heard.message('round 7')
    t.ok(sent() > asked)
  }
)

t.test('A key that others ask for is passed on to nobody', async (t) => {
  const { server, bob, talk, mallory } = await scene(t, ['mallory'])
  const tablet = await linkedDevice(t, server, bob)
  const [heard, tablets] = [await listen(bob), await listen(tablet)]
  await bob.flush()
  const before = passedOn(server, talk.key)
  await talk.say(mallory, { type: 'lacks', conversation: talk.id, keys: [talk.key.hash] }, 1)
  await talk.say(mallory, 'give it to me', 2)
  await heard.message('give it to me')
  await tablets.message('give it to me')
  await bob.flush()
  await tablet.flush()
  t.equal(passedOn(server, talk.key), before)
})

t.test(
  'A key that comes late comes into the backup, and to devices that were linked meanwhile',
  async (t) => {
    const { server, bob: first, talk, alice } = await scene(t, ['alice'], { kind: 'direct' })
    await talk.say(alice, 'worth keeping', 1)
    t.strictSame(await told(first, talk.id), ['worth keeping'])
    let isDown = true
    cutOff(server, first.account!.deviceId, () => isDown)
    const store = new MemoryStore()
    const second = await fakeClient(t, server, { store })
    const login = await second.login({ username: 'bob', password: PASSWORD })
    if (login.status !== 'pending') throw new Error('the device does not wait')
    const approval = first.devices.approve(login.deviceId, { number: login.linkNumber })
    t.equal(await outcome(approval), 'no-connection')
    await second.confirmLink(login.linkNumber)
    await second.waitForApproval()
    const { recoveryCode } = await second.backup.create()
    const third = await linkedDevice(t, server, second)
    t.strictSame(await told(second, talk.id), ['no-session-key'])

    // The first goes on. The second has opened the key, and ends before its own wraps get through.
    let isSecondDown = true
    cutOff(server, second.account!.deviceId, () => isSecondDown)
    isDown = false
    await first.flush()
    await listen(second)
    await eventually(async () => (await store.list('key/')).length > 1)
    await second.close()
    isSecondDown = false
    const again = await fakeClient(t, server, { store })
    await again.flush()
    t.strictSame(await told(third, talk.id), ['worth keeping'])
    t.strictSame(await told(again, talk.id), ['worth keeping'])
    const before = passedOn(server, talk.key)
    await first.flush()
    await again.flush()
    t.equal(passedOn(server, talk.key), before, 'and then nobody sends it again')
    await Promise.all([first.close(), again.close()])
    const { chat } = await restored(server, recoveryCode!)
    t.strictSame(await told(chat, talk.id), ['worth keeping'])
  }
)
