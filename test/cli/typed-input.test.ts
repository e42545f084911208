import t from 'tap'
import { registered, texts } from '../support/chat-clients.js'
import { commandLine } from '../support/command-line.js'
import { startChat } from '../support/start-chat.js'

const { url } = await startChat(t)
const cli = commandLine(t, { SECURE_CHAT_URL: url })
await cli('register alice')
const bob = await registered(t, url, 'bob')

/** The newest message that bob reads. */
async function newest(): Promise<unknown> {
  const [conversation] = await bob.conversations.list()
  return (await texts(bob, conversation!.id)).at(-1)
}

t.test('A message that was cut within a character at both ends arrives without the torn ones', async (t) => {
  for (const letter of ['é', '€', '👍']) {
    const bytes = Buffer.from(letter)
    for (let at = 1; at < bytes.length; at++) {
      const stdin = Buffer.concat([
        bytes.subarray(at),
        Buffer.from(` ${letter} done `),
        bytes.subarray(0, at)
      ])
      t.match(await cli('send bob', { stdin }), { code: 0 }, `${letter} after ${at} bytes`)
      t.equal(await newest(), ` ${letter} done `)
    }
  }
  const middle = Buffer.concat([Buffer.from('a'), Buffer.from('€').subarray(1), Buffer.from('b')])
  t.match(await cli('send bob', { stdin: middle }), { code: 2, err: /not text in UTF-8/ })
})

t.test('10,000 bytes fit, whatever they are, and the refusal of more says how to cut them', async (t) => {
  for (const worst of ['\u001b', '"', '\\', '\u0001', '👍'.repeat(2500)]) {
    const stdin = worst.repeat(10_000 / Buffer.byteLength(worst))
    t.match(await cli('send bob', { stdin }), { code: 0 }, JSON.stringify(worst.slice(0, 2)))
    t.equal(await newest(), stdin)
  }
  for (const stdin of ['"'.repeat(70_000), 'x'.repeat(2 ** 20 + 1)])
    t.match(await cli('send bob', { stdin }), { code: 2, err: /tail -c 10000/ })
})

t.test('Blanks around a name, as phones add them, change nothing', async (t) => {
  t.match(await cli(['send', 'bob ', 'hi']), { code: 0 })
  t.match(await cli(['history', ' bob ', '--limit', '1']), { code: 0, out: /alice: hi/ })
  t.match(await cli(['verify', 'bob ']), { code: 0 })
  t.match(await cli(['login', '@alice ']), { code: 0, out: 'You are alice.\n' })
  t.match(await cli(['register', 'carol '], { env: { SECURE_CHAT_PROFILE: 'carol' } }), {
    out: 'You are carol.\n'
  })
  t.equal((await cli(['group', 'create', ' bob'])).code, 0)
  t.match(await cli(['send', 'bob ', 'to whom?']), { code: 2, err: /is the name of a user and of a group/ })
})
