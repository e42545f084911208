import t, { type Test } from 'tap'
import type { ChatClient } from '../../../src/client/client.js'
import { client, PASSWORD, registered, texts } from '../../support/chat-clients.js'
import { startChat } from '../../support/start-chat.js'

const { url } = await startChat(t)

/** A message under a session key that alice has not heard of: she does not follow her events. */
async function unheard(t: Test, suffix: string): Promise<{ alice: ChatClient; id: string }> {
  const alice = await registered(t, url, `alice-${suffix}`)
  const bob = await registered(t, url, `bob-${suffix}`)
  const { id } = await bob.conversations.createGroup('Lunch', [`alice-${suffix}`])
  await alice.conversations.list()
  await bob.conversations.setTimer(id, 3600)
  await bob.send(id, 'unheard')
  return { alice, id }
}

t.test(
  'A device that replaces its keys still reads what was sent under a key that it had not heard of',
  async (t) => {
    const { alice, id } = await unheard(t, 'rekey')
    await alice.devices.rekey()
    t.match(await texts(alice, id), ['message', 'unheard'])
  }
)

t.test('A new device also gets the keys that the one which approves it had not heard of', async (t) => {
  const { alice, id } = await unheard(t, 'link')
  const laptop = await client(t, url)
  const login = await laptop.login({ username: 'alice-link', password: PASSWORD })
  if (login.status === 'active') throw new Error('the device is not new')
  await alice.devices.approve(login.deviceId, { number: login.linkNumber })
  await laptop.confirmLink(login.linkNumber)
  await laptop.waitForApproval()
  t.match(await texts(laptop, id), ['message', 'unheard'])
})
