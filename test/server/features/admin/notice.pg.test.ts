import t from 'tap'
import { operatorOf } from '../../../support/admin.js'
import { eventually } from '../../../support/eventually.js'
import { expect } from '../../../support/interop/http.js'
import { startPostgres } from '../../../support/postgres.js'
import { startChat, type Chat } from '../../../support/start-chat.js'

interface Server {
  notice: { text: string; at: string } | null
}

const postgres = await startPostgres(t)
if (postgres !== undefined) {
  const env = { DATABASE_URL: await postgres.newDatabase() }
  const [one, two] = [await startChat(t, env), await startChat(t, env)]
  const noticeAt = async ({ url }: Chat) =>
    ((await (await fetch(`${url}/v1/server`)).json()) as Server).notice
  const set = (text: string) => operatorOf(one)('PUT', '/notice', { text })

  t.test(
    'A notice is shown by all processes, also by one that starts later, until it is taken away',
    async (t) => {
      t.equal(await noticeAt(two), null)
      expect(await set('first'), 204)
      const first = await noticeAt(one)
      t.match(first, { text: 'first', at: /^\d{4}-/ })
      await eventually(async () => (await noticeAt(two))?.at === first!.at)
      expect(await set('second'), 204)
      const second = await noticeAt(one)
      t.match(second, { text: 'second' })
      t.not(second!.at, first!.at)
      t.strictSame(await noticeAt(await startChat(t, env)), second)
      expect(await operatorOf(one)('DELETE', '/notice'), 204)
      t.equal(await noticeAt(one), null)
      await eventually(async () => (await noticeAt(two)) === null)
      t.equal(await noticeAt(await startChat(t, env)), null)
      const acts = await operatorOf(one)<{ items: { action: string }[] }>('GET', '/audit')
      t.strictSame(
        acts.body.items.map(({ action }) => action),
        ['notice.clear', 'notice.set', 'notice.set']
      )
    }
  )

  t.test('A notice has a text of 1 to 1,000 characters', async (t) => {
    for (const text of ['', 'x'.repeat(1001)]) t.equal((await set(text)).status, 400)
  })
}
