import { join } from 'node:path'
import type { Page } from 'playwright-core'
import t, { type Test } from 'tap'
import type { ChatClient } from '../../src/client/index.js'
import { browserOrSkip, browserSite, bundle, type Site } from '../support/browser.js'
import { Listener, PASSWORD, registered } from '../support/chat-clients.js'
import { eventually } from '../support/eventually.js'
import { startChat, type Chat } from '../support/start-chat.js'
import { tamperingProxy, type TamperingProxy } from '../support/tampering-proxy.js'
import type * as inPage from './in-page.js'

/** In the page: what `in-page.ts` exports. */
declare const app: typeof inPage

const { browser, skip } = browserOrSkip()
/** A browser opens six connections to a server with HTTP/1.1. */
const TABS = 7
const SERVER_MS = 10_000

let site: Site
let chat: Chat
let proxy: TamperingProxy
let bob: ChatClient
let conversationId: string
/** From the one that was opened first. */
let tabs: Page[] = []
const sent: string[] = []

t.test('A user talks in one tab', { skip }, async () => {
  site = await browserSite(t, browser!, await bundle(join(import.meta.dirname, 'in-page.js'), 'app'))
  chat = await startChat(t, { CORS_ORIGINS: site.origin })
  proxy = await tamperingProxy(t, chat.url)
  bob = await registered(t, chat.url, 'bob')
  const tab = await site.open()
  await tab.evaluate((url) => app.start(url), proxy.url)
  await tab.evaluate((password) => app.register('alice', password), PASSWORD)
  const bobs = new Listener(t, bob)
  conversationId = (await tab.evaluate(() => app.send({ username: 'bob' }, 'hello'))).conversationId
  await bobs.message('hello')
  await bobs.stop()
  await tab.evaluate(() => app.listen())
  await hearsEvent(tab, 'connected')
  tabs = [tab]
})

t.test('Seven tabs hear all by one stream, and calls are answered at once', { skip }, async (t) => {
  for (let n = 1; n < TABS; n++) tabs.push(await listeningTab())
  await allHear(t, 'for seven tabs')
  t.equal(chat.services.hub.count, 1)
  const since = performance.now()
  for (const tab of tabs) t.equal(await tab.evaluate(() => app.conversations()), 1)
  t.ok(performance.now() - since < SERVER_MS)
})

t.test('The tab that reads the stream closes, and another one goes on without a gap', { skip }, async (t) => {
  const saying = say('while a tab closes', 4)
  await tabs.shift()!.close()
  await saying
  await allHear(t, 'after a tab was closed')
  t.equal(chat.services.hub.count, 1)
  for (const tab of tabs) t.strictSame(await tab.evaluate(() => app.events('disconnected')), [])
})

t.test('A tab that passes nothing on loses its turn, and catches up with the others', { skip }, async (t) => {
  const [mute, ...others] = tabs
  // For all tabs of the browser.
  await mute!.clock.install()
  const late = await listeningTab()
  await mute!.evaluate(() => app.mute(true))
  await say('while a tab is mute', 3)
  // It asks whether anybody reads, and gets no answer in time.
  for (const ms of [20_000, 10_000]) await late.clock.fastForward(ms)
  for (const tab of [late, ...others]) await hearsAll(t, tab)
  t.strictSame(await mute!.evaluate(() => app.events('disconnected')), [], 'its stream was well')
  await mute!.evaluate(() => app.mute(false))
  tabs.push(late)
  await allHear(t, 'when it speaks again')
  await eventually(() => chat.services.hub.count === 1, 'one stream')
})

t.test('When the stream breaks, all tabs share a new one, and none misses a message', { skip }, async (t) => {
  proxy.cut()
  await say('while nobody reads', 1)
  await allHear(t, 'over a new stream')
  await eventually(() => chat.services.hub.count === 1, 'one stream')
  for (const tab of tabs) t.strictSame(await tab.evaluate(() => app.events('untrusted')), [])
})

t.test('When one tab deletes the store, the others say so at once, each time', { skip }, async (t) => {
  await Promise.all(tabs.splice(2).map((tab) => tab.close()))
  await tabs[0]!.evaluate(() => app.deleteStore())
  for (const tab of tabs) await requireLost(t, tab)
  await tabs[1]!.reload()
  t.equal(await tabs[1]!.evaluate((url) => app.start(url), proxy.url), null, 'a new store has no account')
})

t.test('When the browser clears the data of the site, its tabs say so at once', { skip }, async (t) => {
  const tab = tabs[1]!
  await tab.evaluate((password) => app.register('carol', password), PASSWORD)
  await tab.evaluate(() => app.listen())
  await hearsEvent(tab, 'connected')
  const debug = await tab.context().newCDPSession(tab)
  await debug.send('Storage.clearDataForOrigin', { origin: site.origin, storageTypes: 'all' })
  await requireLost(t, tab)
})

async function listeningTab(): Promise<Page> {
  const tab = await site.open()
  await tab.evaluate((url) => app.start(url), proxy.url)
  const before = sent.length
  await tab.evaluate(() => app.listen())
  await hearsEvent(tab, 'connected')
  from.set(tab, before)
  return tab
}

/** How much was sent before a tab was opened. */
const from = new Map<Page, number>()

async function say(text: string, times: number): Promise<void> {
  for (let n = 1; n <= times; n++) {
    sent.push(`${text} ${n}`)
    await bob.send(conversationId, `${text} ${n}`)
  }
}

/** Each tab hears all that was sent since it was opened, once and in order. */
async function allHear(t: Test, text: string): Promise<void> {
  await say(text, 1)
  for (const tab of tabs) await hearsAll(t, tab)
}

async function hearsAll(t: Test, tab: Page): Promise<void> {
  await eventually(async () => (await missing(tab)).length === 0, 'all is heard')
  const heard = await tab.evaluate(() => app.texts())
  t.strictSame(
    heard.filter((text) => text !== 'hello'),
    sent.slice(from.get(tab) ?? 0)
  )
}

async function missing(tab: Page): Promise<string[]> {
  const heard = new Set(await tab.evaluate(() => app.texts()))
  return sent.slice(from.get(tab) ?? 0).filter((text) => !heard.has(text))
}

function hearsEvent(tab: Page, type: 'connected'): Promise<void> {
  return eventually(async () => (await tab.evaluate((type) => app.events(type), type)).length > 0, type)
}

async function requireLost(t: Test, tab: Page): Promise<void> {
  await eventually(async () => (await tab.evaluate(() => app.endOfEvents())) !== undefined, 'the end')
  const ends = [await tab.evaluate(() => app.endOfEvents())]
  for (let n = 0; n < 2; n++) ends.push(...(await tab.evaluate((id) => app.failures(id), conversationId)))
  const lost = { kind: 'store', code: 'store-lost', hint: /^Load the page again/ }
  t.match(
    ends,
    ends.map(() => lost)
  )
}
