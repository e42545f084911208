import { randomUUID } from 'node:crypto'
import t from 'tap'
import { LONGEST_BLOCK } from '../../support/client-costs.js'
import { quietestBlock } from '../../support/longest-block.js'
import { outcome, scene, told } from '../../support/malicious-server.js'

const headers = { 'content-type': 'application/json' }

t.test('A list that never ends is given up, before it fills the memory', async (t) => {
  const { server, bob, talk } = await scene(t, ['alice'])
  await bob.send(talk.id, 'x')
  const { items } = await served()
  let pages = 0
  const show = (size: number, more: object) => {
    server.lies.length = 0
    pages = 0
    server.lies.push(({ method, path }) => {
      if (method !== 'GET' || path !== '/v1/conversations') return undefined
      const list = Array.from({ length: size }, () => ({ ...items[0], ...more, id: randomUUID() }))
      return new Response(JSON.stringify({ items: list, next: String(++pages) }), { headers })
    })
  }
  show(2000, { members: [] })
  t.equal(await outcome(bob.devices.rekey()), 'endless-list')
  t.ok(pages <= 51, `${pages} pages of many items`)
  show(1, { members: [], more: 'x'.repeat(3_900_000) })
  t.equal(await outcome(bob.devices.rekey()), 'endless-list')
  t.ok(pages <= 70, `${pages} pages of many bytes`)

  async function served(): Promise<{ items: object[] }> {
    const [token] = server.sessions.keys()
    const authorization = `Bearer ${token}`
    const answer = await server.fetch('http://fake/v1/conversations', { headers: { authorization } })
    return (await answer.json()) as { items: object[] }
  }
})

t.test('An answer that is larger than any may be is refused, and the largest blocks nobody', async (t) => {
  const { server, bob, talk, alice } = await scene(t, ['alice'])
  const { ref: _, ...message } = await talk.say(alice, 'x', 1)
  await bob.conversations.get(talk.id)
  const fill = (item: object, bytes: number) => {
    const text = JSON.stringify(item)
    return `[${Array.from({ length: Math.floor(bytes / (text.length + 1)) }, () => text).join()}]`
  }
  const link = talk.conversation.statements[0]!
  const head = talk.conversation.head
  const answers: Record<
    string,
    [text: (bytes: number) => string, work: () => Promise<unknown>, limit: number]
  > = {
    messages: [(bytes) => `{"items":${fill(message, bytes)},"next":null}`, () => told(bob, talk.id), 1.5],
    chain: [
      (bytes) => `{"head":"${head}","lastPosition":1,"items":${fill(link, bytes)},"next":null}`,
      () => bob.conversations.get(talk.id),
      4
    ],
    conversations: [
      (bytes) => `{"items":[],"next":null,"more":${fill({ a: 1 }, bytes)}}`,
      () => bob.conversations.list(),
      4
    ]
  }
  const parsing = async (bytes: Uint8Array) => {
    const text = new TextDecoder().decode(bytes)
    return (await quietestBlock(() => Promise.resolve(void JSON.parse(text)))).longest
  }
  for (const [what, [text, work, limit]] of Object.entries(answers)) {
    for (const size of [limit * 1.1, limit * 0.95]) {
      const bytes = new TextEncoder().encode(text(size * 2 ** 20))
      server.lies.length = 0
      server.lies.push(({ method, path }) =>
        method === 'GET' && path.endsWith(`/${what}`) ? new Response(bytes, { headers }) : undefined
      )
      if (size > limit) t.equal(await outcome(work()), 'malformed-answer', what)
      else {
        // To parse the text is one block, whoever does it: a slow machine needs longer than the bound for only that.
        const most = Math.max(LONGEST_BLOCK, 1.25 * (await parsing(bytes)))
        const { longest } = await quietestBlock(() => outcome(work()), most)
        t.ok(longest < most, `${what}: ${longest} ms of ${most}`)
      }
    }
  }
})
