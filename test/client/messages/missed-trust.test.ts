import t from 'tap'
import { client, Listener, PASSWORD, registered } from '../../support/chat-clients.js'
import { startChat } from '../../support/start-chat.js'

const { url } = await startChat(t)

t.test('A new device hears whom the user trusts, also if that was sent before it was linked', async (t) => {
  const alice = await registered(t, url, 'alice')
  await registered(t, url, 'bob')
  await alice.contacts.verify('bob', await alice.contacts.safetyNumber('bob'))
  const laptop = await client(t, url)
  const login = await laptop.login({ username: 'alice', password: PASSWORD })
  if (login.status === 'active') throw new Error('the device is not new')
  await alice.devices.approve(login.deviceId, { number: login.linkNumber })
  await alice.flush()
  await laptop.confirmLink(login.linkNumber)
  await laptop.waitForApproval()
  t.equal(await laptop.contacts.isWaiting(), true)
  const listener = new Listener(t, laptop)
  await listener.first('connected')
  await laptop.flush()
  t.equal(await laptop.contacts.isWaiting(), false)
  t.match(await laptop.contacts.get('bob'), { status: /^verified$/ })
  t.strictSame(
    listener.heard.filter(({ type }) => type === 'untrusted'),
    []
  )
})
