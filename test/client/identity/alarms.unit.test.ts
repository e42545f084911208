import t from 'tap'
import { Alarms, type Alarm } from '../../../src/client/identity/alarms.js'
import { MemoryStore } from '../../../src/client/stores/memory.js'
import type { ChatEvent } from '../../../src/client/types/events.js'

const alarm: Alarm = { code: 'server-behind', message: 'It shows less.', about: { username: 'bob' } }
const changed = { type: 'identity-changed', username: 'bob', root: 'r', wasVerified: false } as const

/** Read what waits as a stream does. @param handle what the program does with each event */
async function shown(
  store: MemoryStore,
  alarms: Alarms,
  handle: () => Promise<void> = () => Promise.resolve()
): Promise<ChatEvent[]> {
  const seen: ChatEvent[] = []
  for await (const { events, commit } of alarms.take()) {
    for (const event of events) {
      seen.push(event)
      await handle()
    }
    await store.update(async (tx) => commit?.(tx))
  }
  return seen
}

t.test('An alarm that is over and comes again while it is shown is told again', async (t) => {
  const store = new MemoryStore()
  const alarms = new Alarms(store)
  await alarms.raiseOnce(alarm)
  const again = async () => {
    await alarms.resolve(alarm)
    await alarms.raiseOnce(alarm)
  }
  t.equal((await shown(store, alarms, again)).length, 1)
  t.equal((await shown(store, alarms)).length, 1)
  t.equal((await shown(store, alarms)).length, 0)
  await alarms.raiseOnce(alarm)
  t.equal((await shown(store, new Alarms(store))).length, 0, 'it was told')
})

t.test('An alarm that was over before it was shown is shown, and silences no other', async (t) => {
  const store = new MemoryStore()
  await new Alarms(store).raiseOnce(alarm)
  await new Alarms(store).resolve(alarm)
  const alarms = new Alarms(store)
  t.equal((await shown(store, alarms)).length, 1)
  await alarms.raiseOnce(alarm)
  t.equal((await shown(store, alarms)).length, 1)
})

t.test('A notice that another process has shown is not told again with a change', async (t) => {
  const store = new MemoryStore()
  const [one, other] = [new Alarms(store), new Alarms(store)]
  await other.resolve(alarm)
  const tell = () => store.update((tx) => other.tellOnceIn(tx, 'identity-changed/bob/r', changed))
  await tell()
  t.equal((await shown(store, one)).length, 1)
  await tell()
  t.equal((await shown(store, other)).length, 0)
})
