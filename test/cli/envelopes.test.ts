import t, { type Test } from 'tap'
import { commandLine, PASSWORD, type CommandLine } from '../support/command-line.js'
import { startChat } from '../support/start-chat.js'

interface World {
  url: string
  alice: CommandLine
  bob: CommandLine
  /** A request by curl, in a session of the user's device. */
  curl: (as: CommandLine, path: string, body?: string) => Promise<{ status: number; text: string }>
}

async function world(t: Test): Promise<World> {
  const { url } = await startChat(t)
  const [alice, bob] = [commandLine(t, { SECURE_CHAT_URL: url }), commandLine(t, { SECURE_CHAT_URL: url })]
  for (const [name, run] of Object.entries({ alice, bob })) t.equal((await run(`register ${name}`)).code, 0)
  return {
    url,
    alice,
    bob,
    async curl(as, path, body) {
      const { username, deviceId } = JSON.parse((await as('whoami --json')).out) as Record<string, string>
      const login = await post(
        `${url}/v1/auth/login`,
        JSON.stringify({ username, deviceId, password: PASSWORD })
      )
      const { accessToken } = (await login.json()) as { accessToken: string }
      const authorization = `Bearer ${accessToken}`
      const answer =
        body === undefined
          ? await fetch(url + path, { headers: { authorization } })
          : await post(url + path, body, { authorization })
      return { status: answer.status, text: await answer.text() }
    }
  }
}

function post(url: string, body: string, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(url, { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body })
}

t.test('The output of "seal" can be posted, and "open" reads what the server serves', async (t) => {
  const { url, alice, bob, curl } = await world(t)
  const sealed = await alice('seal bob', { stdin: 'two\nlines\n' })
  t.equal(sealed.code, 0)
  const path = /^Post it to (\S+)$/m.exec(sealed.err)![1]!.slice(url.length)
  t.notMatch(sealed.out, /two/)
  t.equal((await curl(alice, path, sealed.out)).status, 201)

  const id = '0198c6f5-0000-4000-8000-000000000001'
  const content = JSON.stringify({
    type: 'reaction',
    ref: (JSON.parse(sealed.out) as { id: string }).id,
    text: '👍'
  })
  const reaction = await alice(`seal bob --content --json --id ${id}`, { stdin: content })
  const { message, ...where } = JSON.parse(reaction.out) as { path: string; message: { id: string } }
  t.strictSame([reaction.err, where.path, message.id], ['', path, id])
  t.equal((await curl(alice, path, JSON.stringify(message))).status, 201)

  const page = (await curl(bob, `${path}?after=0`)).text
  const opened = await bob('open', { stdin: page })
  t.equal(opened.code, 0, opened.err)
  const lines = opened.out
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>)
  t.match(lines, [
    { from: 'alice', type: 'text', body: 'two\nlines', n: 1 },
    { id, from: 'alice', type: 'reaction', body: '👍', n: 2 }
  ])
  t.strictSame(lines[1]!['ref'], { id: lines[0]!['id'], digest: lines[0]!['digest'] }, 'the id is enough')
  const { items } = JSON.parse(page) as { items: unknown[] }
  const oneByOne = await bob('open', { stdin: items.map((item) => `${JSON.stringify(item)}\n`).join('\n') })
  t.equal(oneByOne.out, opened.out, 'one on each line')
  const indented = await bob('open', { stdin: JSON.stringify(items, null, 2) })
  t.equal(indented.out, opened.out, 'a list over many lines')
  const jq = await bob('open', { stdin: items.map((item) => `${JSON.stringify(item, null, 2)}\n`).join('') })
  t.equal(jq.out, opened.out, 'one after the other, each over many lines')
})

t.test('"open" fails for a changed message and does not show it', async (t) => {
  const { alice, bob, curl } = await world(t)
  const sealed = await alice('seal bob --json', { stdin: 'secret' })
  const { path, message } = JSON.parse(sealed.out) as { path: string; message: object }
  await curl(alice, path, JSON.stringify(message))
  const { items } = JSON.parse((await curl(bob, `${path}?after=0`)).text) as {
    items: [{ signature: string }]
  }
  const signature = items[0].signature.startsWith('A') ? 'B' : 'A'
  items[0].signature = signature + items[0].signature.slice(1)
  const { code, out, err } = await bob('open', { stdin: JSON.stringify(items) })
  t.equal(code, 1)
  t.match(JSON.parse(out), { type: 'unreadable', body: null, error: { code: 'bad-signature' } })
  t.notMatch(out, /secret/)
  t.match(err, 'A message could not be read.')
})

t.test('Wrong input of "seal" and "open" is refused with a reason', async (t) => {
  const { alice, bob } = await world(t)
  const wrong: [command: string, stdin: string, says: RegExp][] = [
    ['open', 'hello', /not JSON/],
    ['open', '{"id": 1', /not JSON/],
    ['open', '{"id": 1\n} {}', /not JSON/],
    ['open', 'null', /no message as the server serves it/],
    ['open', '{"id": 1}', /no message as the server serves it/],
    ['seal bob', '', /nothing in the message/],
    ['seal bob', 'x'.repeat(70_000), /bytes at most/],
    ['seal bob', 'x'.repeat(2 ** 20 + 1), /too long for a message/],
    ['seal bob --content', 'hello', /not a JSON object/],
    ['seal bob --content', 'null', /not a JSON object/],
    ['seal bob --content', '{"type":"song"}', /form of its type/],
    ['seal bob --id 7', 'hello', /UUID/]
  ]
  for (const [command, stdin, says] of wrong) {
    const { code, out, err } = await (command === 'open' ? bob : alice)(command, { stdin })
    t.strictSame([code, out], [2, ''], command)
    t.match(err, says)
  }
})
