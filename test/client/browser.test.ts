import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import type { Page } from 'playwright-core'
import t from 'tap'
import type { ChatClient } from '../../src/client/index.js'
import { browserOrSkip, browserSite, bundle, type Site } from '../support/browser.js'
import { Listener, PASSWORD, registered, texts } from '../support/chat-clients.js'
import { eventually } from '../support/eventually.js'
import { startChat } from '../support/start-chat.js'
import type * as inPage from './in-page.js'

/** In the page: what `in-page.ts` exports. */
declare const app: typeof inPage

const { browser, skip } = browserOrSkip()

/**
 * Kilobytes of the SDK, minified and gzipped: some more than it has, so that one notices when it grows. The stream that
 * tabs share takes one of them.
 */
const LARGEST_KB = 142

let site: Site
let page: Page
let url: string
let bob: ChatClient
let bobs: Listener
let conversationId: string

t.test('A page of another origin is served', { skip }, async () => {
  site = await browserSite(t, browser!, await bundle(join(import.meta.dirname, 'in-page.js'), 'app'))
  url = (await startChat(t, { CORS_ORIGINS: site.origin })).url
  bob = await registered(t, url, 'bob')
  bobs = new Listener(t, bob)
  await bobs.first('connected')
})

t.test('In a browser, a user registers and talks with a client on Node.js', { skip }, async (t) => {
  page = await site.open()
  t.equal(await page.evaluate((url) => app.start(url), url), null)
  const account = await page.evaluate((password) => app.register('alice', password), PASSWORD)
  t.match(account, { username: 'alice', status: 'active', loggedIn: true })
  t.strictSame(await page.evaluate(() => app.extractable()), [false, false], 'no key can leave the browser')
  await page.evaluate(() => app.listen())

  const sent = await page.evaluate(() => app.send({ username: 'bob' }, 'from the page'))
  conversationId = sent.conversationId
  const ref = await bobs.message('from the page')
  await bob.send(conversationId, 'from Node.js')
  await hears(page, 'from Node.js')
  await bob.send(conversationId, { type: 'reaction', ref, text: '👍' })
  const number = await page.evaluate(() => app.safetyNumber('bob'))
  t.equal(await bob.contacts.safetyNumber('alice'), number)
})

t.test('A page that is reloaded continues where it was', { skip }, async (t) => {
  await page.reload()
  await bob.send(conversationId, 'while the page was away')
  t.match(await page.evaluate((url) => app.start(url), url), { username: 'alice', loggedIn: true })
  await page.evaluate(() => app.listen())
  await hears(page, 'while the page was away')
  t.notOk((await heard(page)).includes('from Node.js'), 'what was heard before does not come again')
  await page.evaluate((id) => app.send(id, 'still here'), conversationId)
  await bobs.message('still here')
  t.strictSame(await page.evaluate((id) => app.view(id), conversationId), [
    'alice: from the page 👍',
    'bob: from Node.js',
    'bob: while the page was away',
    'alice: still here'
  ])
})

t.test('Two tabs are one device: both hear and both send, and nothing is lost', { skip }, async (t) => {
  const tab = await site.open()
  await tab.evaluate((url) => app.start(url), url)
  await tab.evaluate(() => app.listen())
  await eventually(async () => (await tab.evaluate(() => app.events('connected'))).length > 0, 'both')
  const said = [1, 2, 3, 4, 5].flatMap((n) => [
    { from: page, text: `first tab ${n}` },
    { from: tab, text: `second tab ${n}` }
  ])
  const send = (text: string) => (one: Page) =>
    one.evaluate(([id, text]) => app.send(id!, text!), [conversationId, text])
  await Promise.all(said.map(({ from, text }) => send(text)(from)))
  await bob.send(conversationId, 'for both')
  await Promise.all([page, tab].map((one) => hears(one, 'for both')))
  await bobs.message('for both')
  const all = (await texts(bob, conversationId)).slice(-1 - said.length)
  t.strictSame([...all].sort(), [...said.map(({ text }) => text), 'for both'].sort())
  t.strictSame(await page.evaluate((id) => app.view(id), conversationId), await viewIn(tab))
  for (const wrong of ['unreadable', 'withheld', 'reordered', 'untrusted'] as const) {
    t.strictSame(
      bobs.heard.filter(({ type }) => type === wrong),
      []
    )
    for (const one of [page, tab]) t.strictSame(await one.evaluate((type) => app.events(type), wrong), [])
  }
})

t.test('The SDK works on a page that forbids eval', { skip }, async (t) => {
  t.equal(await page.evaluate(() => app.evaluates), false)
  t.strictSame(await page.evaluate(() => app.violations), ['eval'], 'which was that trial alone')
})

t.test('The SDK is small enough for a page', { skip }, async (t) => {
  const sdk = join(import.meta.dirname, '../../src/client/index.js')
  const bytes = gzipSync(await bundle(sdk, 'sdk', { minify: true })).length
  t.ok(bytes < LARGEST_KB * 1000, `${bytes} bytes`)
})

function heard(one: Page): Promise<string[]> {
  return one.evaluate(() => app.texts())
}

function hears(one: Page, text: string): Promise<void> {
  return eventually(async () => (await heard(one)).includes(text), text)
}

function viewIn(one: Page): Promise<string[]> {
  return one.evaluate((id) => app.view(id), conversationId)
}
