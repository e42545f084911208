import t from 'tap'
import { commandLine } from '../support/command-line.js'
import { startChat } from '../support/start-chat.js'

const { app, url } = await startChat(t)
const cli = commandLine(t, { SECURE_CHAT_URL: url })
const run = (name: string, line: string) => cli(line, { env: { SECURE_CHAT_PROFILE: name } })
for (const name of ['alice', 'bob']) await run(name, `register ${name}`)

let requests: string[] = []
app.server.on('request', ({ method, url }) => requests.push(`${method} ${url!.split('?')[0]}`))

/**
 * The requests that one of alice's command lines makes. The ids of conversations are replaced by their names.
 */
async function requestsOf(line: string, names: Record<string, string> = {}): Promise<string[]> {
  requests = []
  const { code, err } = await run('alice', line)
  if (code !== 0) throw new Error(err)
  return requests.map((request) => request.replace(/[0-9a-f-]{36}/, (id) => names[id] ?? id))
}

async function idOf(name: string): Promise<string> {
  const { out } = await run('alice', 'conversations --json')
  const all = out
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { id: string; title: string })
  return all.find(({ title }) => title === name)!.id
}

const list = 'GET /v1/conversations'
/** A user could have the same name as a group. */
const isUser = 'POST /v1/users/chains'
const chainOf = (name: string) => `GET /v1/conversations/${name}/chain`
const messagesOf = (name: string) => `GET /v1/conversations/${name}/messages`
const messageTo = (name: string) => `POST /v1/conversations/${name}/messages`

t.test('A message to @NAME takes one request', async (t) => {
  await run('alice', 'send @bob first')
  const names = { [await idOf('bob')]: 'bob' }
  t.strictSame(await requestsOf('send @bob second', names), [messageTo('bob')])
})

t.test('A message to an id takes one request more', async (t) => {
  const id = await idOf('bob')
  t.strictSame(await requestsOf(`send ${id} hello`, { [id]: 'bob' }), [chainOf('bob'), messageTo('bob')])
})

t.test(
  'A message to a group by its name takes the list, and the titles of groups with new messages',
  async (t) => {
    const names: Record<string, string> = {}
    for (const name of ['ops', 'dev', 'night']) {
      const { out } = await run('alice', `group create ${name} bob`)
      names[out.trim()] = name
    }
    await run('alice', 'conversations')
    const quiet = await requestsOf('send ops one', names)
    t.strictSame(quiet, [list, isUser, messageTo('ops')])
    const afterOne = await requestsOf('send dev two', names)
    t.strictSame(afterOne, [list, messagesOf('ops'), isUser, messageTo('dev')])
    await run('bob', 'send night hello')
    const [first, ...others] = await requestsOf('send ops three', names)
    t.equal(first, list)
    t.strictSame(others.sort(), [messagesOf('dev'), messagesOf('night'), messageTo('ops'), isUser])
  }
)
