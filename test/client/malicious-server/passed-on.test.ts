import t from 'tap'
import { PASSWORD } from '../../support/chat-clients.js'
import { fakeClient } from '../../support/fake-clients.js'
import type { FakeServer } from '../../support/fake-server.js'
import { scene, told } from '../../support/malicious-server.js'
import type { Puppet } from '../../support/puppet.js'
import type { PuppetKey } from '../../support/puppet-conversation.js'
import type { PuppetTalk } from '../../support/puppet-talk.js'

/** A member makes a session key, and wraps something else for one device. */
async function wrongFor(talk: PuppetTalk, { device }: Puppet, deviceId: string): Promise<PuppetKey> {
  const key = await talk.change([], device)
  talk.conversation.key.wraps.set(deviceId, 'A'.repeat(2000))
  return key
}

/** Bob's backup on a new machine. */
async function restored(server: FakeServer, code: string) {
  const chat = await fakeClient(t, server)
  return { chat, ...(await chat.restore({ username: 'bob', password: PASSWORD, code })) }
}

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
