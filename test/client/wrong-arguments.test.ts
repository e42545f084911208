import { join } from 'node:path'
import { Readable } from 'node:stream'
import t, { type Test } from 'tap'
import { ChatClient } from '../../src/client/client.js'
import { ChatError } from '../../src/client/errors.js'
import { MemoryStore } from '../../src/client/stores/memory.js'
import { browserOrSkip, browserSite, bundle } from '../support/browser.js'
import { failure, PASSWORD, registered } from '../support/chat-clients.js'
import { startChat } from '../support/start-chat.js'
import * as sdk from '../../src/client/index.js'
import * as forNode from '../../src/client/node.js'

/** In the page: the SDK. */
declare const app: typeof sdk

const { url } = await startChat(t)
const alice = await registered(t, url, 'alice')
const NO_ID = '00000000-0000-4000-8000-000000000000'

/** Calls as a program without types may make them. */
type Loose = Record<string, (...given: unknown[]) => unknown>
const loose = (part: object) => part as Loose

/** What a program without types may pass. */
const WRONG: readonly (readonly unknown[])[] = [
  [],
  [null],
  [Symbol('x')],
  [NO_ID, null],
  ['bob', null],
  [{ username: 'bob', password: 5 }],
  [{ signal: 5 }],
  [[null], { start: 0, end: 1 }, 5],
  [{}, pieces(['no bytes']), () => 'nor these']
]
/** They end the client or the session. */
const LAST = ['constructor', 'close', 'logout']

function pieces(of: readonly unknown[]): AsyncIterable<unknown> {
  return Readable.from(of)
}

/** The call, and all that it gives: of items at most one. */
async function called(part: object, name: string, given: readonly unknown[]): Promise<void> {
  const result = await loose(part)[name]!(...given)
  if (typeof result !== 'object' || result === null) return
  if (Symbol.asyncIterator in result) await (result as AsyncIterable<unknown>)[Symbol.asyncIterator]().next()
  if ('ciphertext' in result) await called(result, 'reference', []).finally(() => all(result.ciphertext))
}

async function all(items: unknown): Promise<void> {
  for await (const item of items as AsyncIterable<unknown>) void item
}

async function throwsNothingElse(t: Test, part: object, name: string): Promise<void> {
  for (const given of name === 'selfTest' ? [[]] : WRONG) {
    const error = await called(part, name, given).then(
      () => null,
      (error: unknown) => error
    )
    if (error !== null && !(error instanceof ChatError)) t.fail(`${name} throws another error`, { error })
  }
}

t.test('Every call throws a ChatError or nothing, whatever it was given', async (t) => {
  const parts = Object.values(alice).filter((part) => typeof part === 'object')
  t.equal(parts.length, 9)
  for (const part of [alice, ...parts])
    for (const name of Object.getOwnPropertyNames(Object.getPrototypeOf(part)))
      if (!LAST.includes(name) && typeof loose(part)[name] === 'function')
        await throwsNothingElse(t, part, name)
})

t.test('So does every function that needs no client', async (t) => {
  const names = Object.entries({ ...sdk, ...forNode })
  for (const [name, one] of names) {
    if (/^[a-z]/.test(name)) await throwsNothingElse(t, { [name]: one }, name)
    if ('open' in one) await throwsNothingElse(t, one, 'open')
  }
})

t.test('A source of bytes that fails says so itself', async (t) => {
  const lost = new Error('the connection is lost')
  const { ciphertext } = sdk.encryptAttachment(failing(lost))
  await t.rejects(all(ciphertext), lost)
  const whole = sdk.encryptAttachment(Readable.from([Buffer.from('a file')]))
  await all(whole.ciphertext)
  const reference = whole.reference()
  await t.rejects(all(sdk.decryptAttachment(reference, failing(lost))), lost)
  const range = { start: 0, end: 3 }
  const read = () => failing(lost)
  await t.rejects(all(sdk.decryptAttachmentRange(reference, range, read as sdk.ReadRange)), lost)
})

/** As some browsers have it: a stream that nobody can iterate. */
function failing(error: Error): sdk.ByteSource {
  return { getReader: () => ({ read: () => Promise.reject(error), cancel: () => Promise.resolve() }) }
}

t.test('A client that lacks a server or a store says so, and how to give it one', async (t) => {
  const open = (options?: unknown) => failure(ChatClient.open(options as sdk.ChatClientOptions))
  const store = new MemoryStore()
  for (const options of [undefined, null, {}, { store }, { url: 5, store }])
    t.match(await open(options), { kind: 'usage', code: 'no-url', hint: /url: 'https:/ })
  for (const options of [{ url }, { url, store: null }, { url, store: {} }])
    t.match(await open(options), { kind: 'usage', code: 'no-store', hint: /MemoryStore/ })
  t.match(await open({ url, store: { update: () => undefined } }), {
    code: 'invalid-argument',
    cause: TypeError
  })
})

t.test('A message without content or receiver, and an account without a password, are refused', async (t) => {
  const send = (...given: unknown[]) => failure(Promise.resolve(loose(alice)['send']!(...given)))
  for (const content of [undefined, null, 5, {}])
    t.match(await send(NO_ID, content), { kind: 'usage', code: 'invalid-content', hint: /type/ })
  for (const username of [undefined, null, 5])
    t.match(await send({ username }, 'hi'), { kind: 'usage', code: 'invalid-username', hint: /letter/i })
  t.match(await send(undefined, 'hi'), { kind: 'usage' })
  const login = loose(alice)['login']!({ username: 'alice' })
  t.match(await failure(login as Promise<unknown>), { kind: 'usage', code: 'no-password' })
})

t.test('A fault in a call is told with its name and cause', async (t) => {
  const error = await failure(loose(alice.conversations)['createGroup']!('ops') as Promise<unknown>)
  t.match(error, { kind: 'usage', code: 'invalid-argument', message: /chat\.conversations\.createGroup/ })
  t.match(error, { cause: TypeError, hint: /types/ })
})

t.test('A signal of the caller still ends a call with its own reason', async (t) => {
  const phone = await ChatClient.open({ url, store: new MemoryStore(), rsaKeyBits: 2048 })
  t.teardown(() => phone.close())
  await phone.login({ username: 'alice', password: PASSWORD })
  const reason = new Error('enough')
  await t.rejects(phone.waitForApproval({ signal: AbortSignal.abort(reason) }), reason)
})

const { browser, skip } = browserOrSkip()

t.test('A page that came without TLS is told that it has no Web Crypto, and why', { skip }, async (t) => {
  const script = await bundle(join(import.meta.dirname, '../../src/client/index.js'), 'app')
  const page = await (await browserSite(t, browser!, script)).open()
  await page.route('http://chat.test/**', (route) => route.fulfill({ contentType: 'text/html', body: '' }))
  await page.goto('http://chat.test/')
  await page.addScriptTag({ content: script })
  const found = await page.evaluate(async (url) => {
    const told = ({ kind, code, hint }: sdk.ChatError) => ({ kind, code, hint })
    const opened = app.ChatClient.open({ url, store: new app.MemoryStore() })
    return [await opened.then(() => null, told), await app.selfTest().then(() => null, told)]
  }, url)
  for (const error of found)
    t.match(error, { kind: 'usage', code: 'crypto-unavailable', hint: /HTTPS or from localhost/ })
})
