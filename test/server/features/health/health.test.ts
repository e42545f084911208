import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { browserOrSkip, browserSite } from '../../../support/browser.js'
import { startChat } from '../../../support/start-chat.js'

const chat = await startChat(t)
const get = async (path: string) => {
  const response = await fetch(new URL(path, chat.url))
  return {
    status: response.status,
    headers: response.headers,
    text: await response.text(),
    url: response.url
  }
}

t.test('Health and readiness are public', async (t) => {
  for (const path of ['/healthz', '/readyz']) {
    const { status, text } = await get(path)
    t.strictSame([status, JSON.parse(text)], [200, { status: 'ok' }], path)
  }
})

t.test('GET /v1/server says what a client should know before it begins', async (t) => {
  const { status, text } = await get('/v1/server')
  t.equal(status, 200)
  const server = JSON.parse(text) as { time: string; version: string }
  const { version } = JSON.parse(await file('package.json')) as { version: string }
  t.match(server, { name: 'secure-chat', version, protocol: 'secure-chat/v1', registration: 'open' })
  t.ok(Math.abs(Date.parse(server.time) - Date.now()) < 60_000)
})

t.test('/openapi.json is the document that is committed, and names every route', async (t) => {
  const { status, headers, text } = await get('/openapi.json')
  t.equal(status, 200)
  t.match(headers.get('content-type'), /^application\/json/)
  t.strictSame(JSON.parse(text), JSON.parse(await file('openapi/openapi.json')))
})

t.test('/docs shows the calls in a browser, under a policy that allows only its own files', async (t) => {
  const page = await get('/docs')
  t.equal(page.status, 200)
  t.match(page.headers.get('content-type'), /^text\/html/)
  const policy = policyOf(page.headers)
  t.match(policy, { 'default-src': "'self'", 'img-src': "'self' data:", 'frame-ancestors': "'none'" })
  t.notMatch(page.headers.get('content-security-policy'), /unsafe-(inline|eval)/)
  // Without TLS, in a local network say, the page would look for its files where nobody serves them.
  t.notOk('upgrade-insecure-requests' in policy)
  t.notMatch(page.text, /<script(?![^>]*\bsrc=)[^>]*>|<style|\son\w+=|\sstyle=/i, 'nothing stands inline')

  const files = [...page.text.matchAll(/\b(?:src|href)="([^"]+)"/g)].map(
    ([, path]) => new URL(path!, page.url)
  )
  t.ok(files.length >= 5)
  for (const { origin, pathname } of files) {
    t.equal(origin, chat.url)
    const { status, headers, text } = await get(pathname)
    t.equal(status, 200, pathname)
    t.ok(text.length > 100)
    if (pathname.endsWith('.js')) t.match(headers.get('content-type'), /javascript/)
    if (pathname.endsWith('.css')) t.match(headers.get('content-type'), /^text\/css/)
  }
  await showsTheDocument(
    t,
    files.find(({ pathname }) => pathname.endsWith('initializer.js'))!
  )
})

const { browser, skip } = browserOrSkip()

t.test('In a browser, /docs shows the calls and nothing of the plugin that draws it', { skip }, async (t) => {
  const page = await (await browserSite(t, browser!, '')).open()
  const complaints: string[] = []
  page.on('console', (message) => complaints.push(message.text()))
  await page.goto(`${chat.url}/docs`)
  await page.waitForSelector('.opblock')
  t.equal(await page.locator('.topbar').count(), 0)
  t.strictSame(complaints, [])
})

async function showsTheDocument(t: Test, initializer: URL): Promise<void> {
  const { text } = await get(initializer.pathname)
  t.match(text, /\/json/)
  const { text: shown } = await get('/docs/json')
  const document = JSON.parse((await get('/openapi.json')).text) as object
  t.strictSame(JSON.parse(shown), { ...document, servers: [{ url: '/' }] }, 'the page calls its own server')
}

function policyOf(headers: Headers): Record<string, string> {
  const directives = (headers.get('content-security-policy') ?? '').split(';').map((text) => text.trim())
  return Object.fromEntries(
    directives.filter(Boolean).map((text) => [text.split(' ', 1)[0]!, text.split(' ').slice(1).join(' ')])
  )
}

function file(path: string): Promise<string> {
  return readFile(join(import.meta.dirname, '../../../../..', path), 'utf8')
}
