import { randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { envelope, found, post, say } from '../../support/conversations.js'
import { eventually } from '../../support/eventually.js'
import { expect } from '../../support/interop/http.js'
import { user } from '../../support/people.js'
import { startChat } from '../../support/start-chat.js'

const chat = await startChat(t)
const alice = await user(t, chat, 'alice', { connections: 8 })
const bob = await user(t, chat, 'bob')
const id = await found(alice, 'group', [bob])
const MIB = 2 ** 20

/** Pages until nothing is left: the ids of their messages, and their bytes. */
async function pages(first: string, isEnough: (messages: number) => boolean) {
  const [ids, sizes]: [string[], number[]] = [[], []]
  let cursor = first
  while (!isEnough(ids.length)) {
    const headers = { authorization: `Bearer ${bob.accessToken}` }
    const response = await fetch(`${chat.url}/v1/events/page?limit=200&wait=45&after=${cursor}`, { headers })
    const text = await response.text()
    sizes.push(Buffer.byteLength(text))
    const page = JSON.parse(text) as { items: { event: string; data: { id: string } }[]; cursor: string }
    for (const { event, data } of page.items) if (event === 'message') ids.push(data.id)
    cursor = page.cursor
  }
  return { ids, sizes }
}

t.test('The answer to a poll ends before 1 MiB, and its cursor leads to the rest', async (t) => {
  const { cursor } = expect(await bob.poll('0'), 200).body
  const elsewhere = await found(alice, 'self')
  const blocker = await envelope(alice, elsewhere)
  const template = await envelope(alice, id)
  const ciphertext = Buffer.alloc(65_536).toString('base64')
  const large = () => ({ ...template, id: randomUUID() as string, ciphertext })
  const batches = [0, 1, 2].map(() => Array.from({ length: 10 }, large))

  // Messages that come while the database is busy are stored at once, and told to those who wait in one piece.
  let release = () => {}
  const held = new Promise<void>((resolve) => (release = resolve))
  let arrived = 0
  chat.app.server.on('request', (request: IncomingMessage) => request.on('end', () => arrived++))
  const waiting = pages(cursor, (messages) => messages >= 30)
  await eventually(() => chat.services.hub.count === 1)
  arrived = 0
  const busy = chat.services.db.transaction(() => held)
  const sent = [say(alice, elsewhere, blocker)]
  await eventually(() => arrived === 1)
  for (const messages of batches)
    sent.push(post(alice, `/v1/conversations/${id}/messages/batch`, { messages }))
  await eventually(() => arrived === 4)
  await sleep(100)
  release()
  await busy
  t.strictSame(
    (await Promise.all(sent)).map(({ status }) => status),
    [201, 200, 200, 200]
  )

  const live = await waiting
  const stored = await pages(cursor, (messages) => messages >= 30)
  for (const { ids, sizes } of [live, stored]) {
    t.strictSame(
      [...new Set(ids)].sort(),
      batches
        .flat()
        .map((message) => message.id)
        .sort()
    )
    t.equal(ids.length, 30, 'nothing comes twice')
    for (const size of sizes) t.ok(size <= MIB, `${size} bytes`)
    t.equal(sizes.length, 3)
  }
  t.strictSame(live.ids, stored.ids)
})
