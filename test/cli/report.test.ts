import t from 'tap'
import { operatorOf } from '../support/admin.js'
import { machine } from '../support/cli-process.js'
import { expect } from '../support/interop/http.js'
import { startChat } from '../support/start-chat.js'

const chat = await startChat(t, { MODERATORS: 'mod' })
const home = await machine(t, chat.url)
await home.register('alice', 'bob', 'mod')
const sent = JSON.parse(await home.ok('bob', ['send', 'alice', 'You sing badly.', '--json'])) as {
  id: string
}
const report = ['report', 'bob', sent.id, '--reason', 'He is rude.', '--yes']

t.test('Without a moderator nothing is reported', async (t) => {
  t.match(await home.run('alice', report), { code: 2, err: /no moderator/ })
})

t.test(
  'A report names its readers before it is sent, and the moderator sees what is proven and what to do',
  async (t) => {
    expect(await operatorOf(chat)('PUT', '/users/mod/role', { role: 'admin' }), 204)
    t.match(await home.run('alice', report), { code: 0, err: /mod can read the message now/ })
    const { out } = await home.run('mod', ['listen', '--count', '1'])
    t.match(out, /alice: \(reports a message of bob\) He is rude\.$/m)
    t.match(out, /^\* \(report about bob, verified\) You sing badly\. Reason: He is rude\.$/m)
    t.ok(
      out.includes(`  secure-chat admin messages purge ${sent.id}\n  secure-chat admin users suspend bob\n`)
    )
  }
)

t.test('Scripts get the report with what is proven', async (t) => {
  t.match(await home.run('alice', report), { code: 0 })
  const line = JSON.parse(await home.ok('mod', ['listen', '--json', '--count', '1'])) as object
  const from = { username: 'bob' }
  t.match(line, {
    type: 'report',
    from: 'alice',
    checked: { id: sent.id, from, content: { text: 'You sing badly.' } }
  })
})
