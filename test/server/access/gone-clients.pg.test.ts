import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { connect, type AddressInfo, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { post } from '../../support/conversations.js'
import { LockHolder } from '../../support/database-locks.js'
import type { InteropClient } from '../../support/interop/client.js'
import { expect } from '../../support/interop/http.js'
import { sessionId, user } from '../../support/people.js'
import { startPostgres } from '../../support/postgres.js'
import { startChat } from '../../support/start-chat.js'

/** Calls that run at the same time, of one user. */
const AT_ONCE = 2
/** A call that never gets its turn has no answer at all. */
const timeoutMs = 10_000

const pg = await startPostgres(t)
if (pg !== undefined) {
  const chat = await startChat(t, { DATABASE_URL: pg.url, RATE_LIMIT: 'on' })
  const { server } = chat.app
  const { port } = server.address() as AddressInfo
  const bob = await user(t, chat, 'bob')

  const head = (by: InteropClient, call: string, ...more: string[]) =>
    [`${call} HTTP/1.1`, 'Host: chat', `Authorization: Bearer ${by.accessToken}`, ...more, '', ''].join(
      '\r\n'
    )

  /**
   * Send texts, each on a connection of its own: `before` calls, and then one by a user whose session is not in memory.
   *
   * @returns the connections, once the session is looked up, and what ends this
   */
  async function untilLookUp(t: Test, by: InteropClient, texts: string[], before: number) {
    expect(await bob.raw('GET', '/v1/users/me'), 200)
    const holder = await LockHolder.connect(t, pg!.url)
    await holder.client.query('begin; lock table sessions')
    chat.services.sessions.forget(sessionId(by))
    const sockets: { client: Socket; atServer: Socket }[] = []
    for (const text of texts) {
      const came = once(server, 'connection') as Promise<[Socket]>
      const client = connect(port, '127.0.0.1').on('error', () => undefined)
      t.teardown(() => client.destroy())
      const [atServer] = await came
      let calls = before + 1
      const haveCome = new Promise<void>((resolve) => {
        const count = ({ socket }: IncomingMessage) => {
          if (socket === atServer && --calls === 0) resolve()
        }
        server.on('request', count)
        t.teardown(() => server.off('request', count))
      })
      client.write(text)
      await haveCome
      sockets.push({ client, atServer })
    }
    await holder.holdsUp('from unnest')
    return { sockets, release: () => holder.client.query('commit') }
  }

  async function leave({ client, atServer }: { client: Socket; atServer: Socket }): Promise<void> {
    const isGone = atServer.destroyed ? undefined : once(atServer, 'close')
    client.destroy()
    await isGone
  }

  const poll = (by: InteropClient) => head(by, 'GET /v1/events/page?wait=45')
  const before: Record<string, string> = {
    'by itself': '',
    'behind a poll on its connection': poll(bob),
    'behind a stream on its connection': head(bob, 'GET /v1/events')
  }

  for (const [n, [how, first]] of Object.entries(before).entries())
    t.test(`A call keeps no place if its client leaves while its session is looked up, ${how}`, async (t) => {
      const alice = await user(t, chat, `alice${n}`)
      const texts = Array.from({ length: AT_ONCE }, () => first + poll(alice))
      const { sockets, release } = await untilLookUp(t, alice, texts, first === '' ? 0 : 1)
      for (const socket of sockets) await leave(socket)
      await release()
      for (let call = 0; call < 3; call++) expect(await alice.raw('GET', '/v1/users/me', { timeoutMs }), 200)
      t.pass('calls of the same user are answered')
    })

  for (const [n, [how, first]] of Object.entries(before).entries())
    t.test(
      `A large body whose client leaves while its session is looked up counts no more, ${how}`,
      async (t) => {
        const carol = await user(t, chat, `carol${n}`)
        const large = ['Content-Type: application/json', 'Transfer-Encoding: chunked']
        const text = first + head(carol, 'POST /v1/conversations', ...large)
        const { sockets, release } = await untilLookUp(t, carol, [text], first === '' ? 0 : 1)
        for (const socket of sockets) await leave(socket)
        await release()
        // Before this call has an answer, the session of the other one has been found.
        expect(await carol.raw('GET', '/v1/users/me'), 200)
        expect(await post(carol, '/v1/conversations', `${' '.repeat(2 ** 20)}{}`), 400)
        t.pass('another large body of the same user is read')
      }
    )
}
