import t from 'tap'
import { emptyDataDir } from '../support/empty-database.js'
import { eventually } from '../support/eventually.js'
import { conversation, user } from '../support/people.js'
import { plainStream, type PlainStream } from '../support/plain-stream.js'
import { startServer } from '../support/server-process.js'
import { expect, problem } from '../support/interop/http.js'

const dataDir = await emptyDataDir(t)
const server = await startServer(t, { dataDir })
const alice = await user(t, server, 'alice', { connections: 8 })
const bob = await user(t, server, 'bob')
const id = await conversation(alice, [bob])

t.test('A second server on the same DATA_DIR ends with one sentence, and harms nothing', async (t) => {
  const said = await startServer(t, { dataDir }).then(
    () => 'it has started',
    (error: unknown) => (error as Error).message
  )
  const [how, ...what] = said.trim().split('\n')
  t.equal(how, 'the server ended (1):')
  t.strictSame(what, [
    `secure-chat: The data directory ${dataDir} is in use by ` +
      `${/another process \(.*\)/.exec(said)?.[0]}. Stop that first, or choose another DATA_DIR.`
  ])
  expect(await alice.send(id, 'still there'), 201)
})

t.test(
  'SIGTERM under load ends the server in order, and all messages that were answered 201 are kept',
  async (t) => {
    const streams: PlainStream[] = []
    for (let i = 0; i < 4; i++) for (const of of [alice, bob]) streams.push(await plainStream(t, of))
    const before = (await bob.history(id)).length
    const stored = new Set<string>()
    const odd: string[] = []
    let gone = false
    const writer = async () => {
      while (!gone) {
        const sealed = alice.seal(id, 'hello')
        const answer = await alice.post(id, sealed).catch(() => undefined)
        if (answer === undefined) gone = true
        else if (answer.status === 201) stored.add(sealed.id)
        else if (problem(answer) !== 'stopping') odd.push(`${answer.status} ${JSON.stringify(answer.body)}`)
        else if (answer.headers['retry-after'] === undefined) odd.push('no Retry-After')
      }
    }
    const load = Promise.all(Array.from({ length: 8 }, writer))
    await eventually(() => stored.size > 100)
    const asked = Date.now()
    t.equal(await server.stop(), 0)
    t.ok(Date.now() - asked < 10_000)
    await load
    t.strictSame(odd, [], 'whoever comes too late is told that the server is stopping, or finds nobody')

    const last = streams.map(({ text }) => /\n\nretry: (\d+)\n\n$/.exec(text)?.[1])
    t.ok(
      last.every((retry) => Number(retry) >= 1000 && Number(retry) <= 5000),
      `each stream says when to come back: ${last.join(', ')} ms`
    )
    t.ok(new Set(last).size > 1, 'not all at once')
    await eventually(() => streams.every(({ over }) => over))

    await server.start()
    const kept = (await bob.history(id)).map((message) => message.id)
    t.strictSame(
      [...stored].filter((message) => !kept.includes(message)),
      []
    )
    t.equal(new Set(kept).size, kept.length)
    t.ok(kept.length >= before + stored.size)
  }
)
