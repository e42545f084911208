import t from 'tap'
import { problems } from '../../../src/protocol/problems.js'
import { startChat } from '../../support/start-chat.js'

const chat = await startChat(t)
const get = (path: string, accept: string) => fetch(chat.url + path, { headers: { accept } })
const BROWSER = 'text/html,application/xhtml+xml,*/*;q=0.8'

t.test('The type of each problem is the address of a page that says what it means', async (t) => {
  for (const [code, [status, detail]] of Object.entries(problems)) {
    const plain = await get(`/problems/${code}`, '*/*')
    t.match(plain.headers.get('content-type'), /^text\/plain/)
    const text = await plain.text()
    t.ok(text.includes(`status ${status}`) && text.includes(detail), code)
    const page = await get(`/problems/${code}`, BROWSER)
    t.match(page.headers.get('content-type'), /^text\/html/)
    t.match(await page.text(), `<code>/problems/${code}</code>`)
  }
  const page = await (await get('/problems/unauthenticated', BROWSER)).text()
  t.match(page, '<code>Authorization: Bearer &lt;access token&gt;</code>')
  for (const code of ['nothing', 'constructor', '%3Cb%3E']) {
    const answer = await get(`/problems/${code}`, BROWSER)
    t.equal(answer.status, 404, code)
    t.match(answer.headers.get('content-type'), 'application/problem+json')
  }
})

t.test('GET / says what this is, and where to read on', async (t) => {
  const about = (await (await get('/', '*/*')).json()) as Record<string, string>
  t.match(about, { name: 'secure-chat', documentation: '/docs', openapi: '/openapi.json' })
  const page = await get('/', BROWSER)
  t.match(page.headers.get('content-type'), /^text\/html/)
  const paths = [...(await page.text()).matchAll(/href="([^"]+)"/g)].map(([, path]) => path!)
  t.strictSame(paths, [about['documentation'], about['openapi'], about['server'], about['health']])
  for (const path of paths) t.equal((await get(path, '*/*')).status, 200, path)
})
