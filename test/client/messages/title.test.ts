import t from 'tap'
import { MemoryStore } from '../../../src/client/stores/memory.js'
import type { StoreTransaction } from '../../../src/client/stores/store.js'
import { all, client, PASSWORD, registered } from '../../support/chat-clients.js'
import { recordedRequests } from '../../support/recorded-requests.js'
import { startChat } from '../../support/start-chat.js'

const { url } = await startChat(t)

/** A store that counts what is written into it. */
class CountingStore extends MemoryStore {
  writes = 0

  override update<T>(work: (tx: StoreTransaction) => Promise<T> | T): Promise<T> {
    return super.update((tx) => {
      const set = tx.set.bind(tx)
      tx.set = (name, value) => {
        this.writes++
        set(name, value)
      }
      return work(tx)
    })
  }
}

t.test('A list with titles asks only for groups in which something has happened', async (t) => {
  const { fetch, requests } = recordedRequests()
  const alice = await registered(t, url, 'alice')
  const bob = await registered(t, url, 'bob', { fetch })
  await registered(t, url, 'carol')
  const { id } = await alice.conversations.createGroup('First', ['bob'])
  const list = async () => {
    requests.length = 0
    const [group] = await bob.conversations.list({ readTitles: true })
    return { title: group!.title, reads: requests.filter((request) => request === 'GET messages').length }
  }
  t.strictSame(await list(), { title: 'First', reads: 1 })
  t.strictSame(await list(), { title: 'First', reads: 0 }, 'nothing has happened')
  await alice.conversations.rename(id, 'Second')
  t.strictSame(await list(), { title: 'Second', reads: 1 })
  t.strictSame(await list(), { title: 'Second', reads: 0 })
  // An event that is no message.
  await alice.conversations.add(id, 'carol')
  t.strictSame(await list(), { title: 'Second', reads: 1 })
  t.strictSame(await list(), { title: 'Second', reads: 0 })
})

t.test(
  'A title that was seen in a stream which ended early is written down when it is read again',
  async (t) => {
    const store = new CountingStore()
    const dora = await registered(t, url, 'dora')
    const emil = await registered(t, url, 'emil', { store })
    await emil.logout()
    await emil.login({ username: 'emil', password: PASSWORD })
    const { id } = await dora.conversations.createGroup('Early', ['emil'])
    // Leaving the loop while the title is handled: it counts as not handled.
    for await (const event of emil.events())
      if (event.type === 'message' && event.content.type === 'title') break
    await all(emil.history(id))
    const later = await client(t, url, { store })
    t.equal((await later.conversations.get(id)).title, 'Early')

    const before = store.writes
    await all(emil.history(id))
    t.equal(store.writes, before, 'to read it again writes nothing')
  }
)

t.test('Users who are added to a group read what it is called', async (t) => {
  const ida = await registered(t, url, 'ida')
  const jon = await registered(t, url, 'jon')
  const kim = await registered(t, url, 'kim')
  const { id } = await ida.conversations.createGroup('Rowing', [])
  await ida.conversations.add(id, ['jon', 'kim'])
  for (const chat of [jon, kim]) t.equal(await chat.conversations.readTitle(id), 'Rowing')
  const titles = (await all(kim.history(id))).filter(
    (item) => 'content' in item && item.content.type === 'title'
  )
  t.equal(titles.length, 1, 'it is said once for all')
})

t.test('A title that stands before a thousand messages is found', async (t) => {
  const lea = await registered(t, url, 'lea')
  const max = await registered(t, url, 'max')
  const { id } = await lea.conversations.createGroup('Long ago', ['max'])
  await Promise.all(Array.from({ length: 1010 }, (_, n) => lea.send({ conversationId: id }, `message ${n}`)))
  t.equal(await max.conversations.readTitle(id), 'Long ago')
})

t.test('The next user of a client sees nothing that a forgotten account held in memory', async (t) => {
  const fred = await registered(t, url, 'fred')
  const chat = await registered(t, url, 'gwen')
  const { id } = await fred.conversations.createGroup('For Gwen', ['gwen'])
  await all(chat.history(id))
  t.equal((await chat.conversations.get(id)).title, 'For Gwen')
  await chat.logout({ forget: true })
  await chat.register({ username: 'hans', password: PASSWORD })
  await fred.conversations.add(id, 'hans')
  t.equal((await chat.conversations.get(id)).title, null)
})
