import { sql } from 'drizzle-orm'
import t from 'tap'
import { sessions } from '../../src/server/db/schema.js'
import { machine } from '../support/cli-process.js'
import { startChat } from '../support/start-chat.js'

const chat = await startChat(t)
const home = await machine(t, chat.url)
const NO_PASSWORD = { env: { SECURE_CHAT_PASSWORD: '' } }

interface Line {
  id: string
  method: string
  current: boolean
}

/** All sessions idle out. */
async function idle(): Promise<void> {
  const { db, sessions: cached } = chat.services
  const gone = await db
    .update(sessions)
    .set({ expiresAt: sql`now() - interval '1 second'` })
    .returning()
  for (const { id } of gone) cached.forget(id)
}

t.test('A profile whose session has idled out goes on without a password', async (t) => {
  await home.register('alice', 'bob')
  t.match(await home.json<Line>('alice', ['sessions']), [{ method: 'password', current: true }])
  await idle()
  await home.ok('alice', ['send', 'bob', 'still here'], NO_PASSWORD)
  t.match(await home.ok('alice', ['sessions'], NO_PASSWORD), /^[0-9a-f-]{36} +by key +since .*\(this one\)$/m)
})

t.test('After a log-out, and after the session was ended, it takes the password', async (t) => {
  await home.ok('alice', ['logout'])
  const asked = await home.run('alice', ['sessions'], NO_PASSWORD)
  t.match(asked, { code: 2, err: /password/i })
  await home.ok('alice', ['sessions'])
  const [own] = await home.json<Line>('alice', ['sessions'])
  await home.ok('alice', ['sessions', 'end', own!.id])
  t.match(await home.run('alice', ['sessions'], NO_PASSWORD), { code: 2, err: /password/i })
  t.match(await home.json<Line>('alice', ['sessions']), [{ method: 'password', current: true }])
})
