import t from 'tap'
import { lines } from '../support/cli-process.js'
import { commandLine } from '../support/command-line.js'
import { startChat } from '../support/start-chat.js'

const { url } = await startChat(t)
const cli = commandLine(t, { SECURE_CHAT_URL: url })
const run = (who: string, line: string | string[]) => cli(line, { env: { SECURE_CHAT_PROFILE: who } })
for (const who of ['alice', 'bob']) await run(who, `register ${who}`)

/** Send a message. @returns its id and digest */
async function sent(who: string, line: string | string[]): Promise<{ id: string; digest: string }> {
  const { code, out, err } = await run(who, [
    ...(typeof line === 'string' ? line.split(' ') : line),
    '--json'
  ])
  if (code !== 0) throw new Error(err)
  const { id, digest } = JSON.parse(out) as { id: string; digest: string }
  return { id, digest }
}

async function history(
  who: string,
  name: string
): Promise<{ text: string; json: Record<string, unknown>[] }> {
  const text = (await run(who, `history ${name}`)).out.replace(/^[\d-]+ [\d:]+ /gm, '')
  return { text, json: lines((await run(who, `history ${name} --json`)).out) }
}

t.test('A reply, an edit and a reaction find the message by its id, and name its bytes', async (t) => {
  const ref = await sent('alice', 'send bob hello')
  await sent('bob', `send alice welcome --reply ${ref.id}`)
  await sent('alice', `send bob hi --edit ${ref.id}`)
  await sent('bob', `send alice 👍 --react ${ref.id}`)
  await sent('bob', ['send', 'alice', '', '--react', ref.id])
  const { text, json } = await history('bob', 'alice')
  t.equal(
    text,
    'alice: hello\nbob: (reply) welcome\nalice: (edit) hi\nbob: (reacts) 👍\nbob: (removes a reaction)\n'
  )
  t.match(json[0], ref)
  for (const message of json.slice(1)) t.strictSame(message['ref'], ref)
})

t.test('A message that is taken back is hidden, with its edits', async (t) => {
  const ref = await sent('alice', 'send bob secret')
  await sent('alice', `send bob secrets --edit ${ref.id}`)
  t.equal((await run('alice', `send bob --retract ${ref.id}`)).code, 0)
  const { text, json } = await history('bob', 'alice')
  t.match(text, /alice: \(taken back\)\n$/)
  t.notMatch(text, /secret/)
  t.match(json.at(-1), { type: 'retract', body: null, ref }, 'scripts decide for themselves')
  const later = await run('bob', [
    'history',
    'alice',
    '--after',
    String(Number(json.at(-1)!['position']) - 1)
  ])
  t.match(later.out, /alice: \(takes back a message\)\n$/)
})

t.test('Nobody edits or takes back what others have said, and a message has to be there', async (t) => {
  const { id } = await sent('bob', 'send alice mine')
  for (const options of [`no --edit ${id}`, `--retract ${id}`])
    t.match(await run('alice', `send bob ${options}`), { code: 2, err: /is not yours/ })
  const nothing = '00000000-0000-4000-8000-000000000000'
  const { code, err } = await run('alice', `send bob yes --reply ${nothing}`)
  t.match({ code, err }, { code: 1, err: /There is no message/ })
  const [, hint] = /secure-chat (history .*)/.exec(err)!
  t.match(await run('alice', hint!), { code: 0, out: new RegExp(id) })
  t.match(await run('alice', `send nobody yes --reply ${id}`), {
    code: 1,
    err: /no conversation with "nobody"/
  })
})
