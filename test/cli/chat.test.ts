import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough, Readable } from 'node:stream'
import t, { type Test } from 'tap'
import { runCommand } from '../../src/cli/run.js'
import { client, link, Listener, PASSWORD, registered, texts } from '../support/chat-clients.js'
import { eventually } from '../support/eventually.js'
import { shortenWaits } from '../support/short-waits.js'
import { startChat } from '../support/start-chat.js'
import { tamperingProxy } from '../support/tampering-proxy.js'
import { Keyboard, Terminal } from '../support/terminal.js'

const NOW = /\d\d:\d\d/.source

/** A user who has registered on this machine, and has a terminal. */
async function userAtTerminal(t: Test, username: string) {
  const home = mkdtempSync(join(tmpdir(), 'secure-chat-home-'))
  t.teardown(() => rmSync(home, { recursive: true, force: true }))
  const env = { SECURE_CHAT_HOME: home, SECURE_CHAT_URL: url, SECURE_CHAT_PASSWORD: PASSWORD, NO_COLOR: '1' }
  const run = (argv: string[], streams: Partial<Parameters<typeof runCommand>[0]> = {}) => {
    const stdout = new PassThrough()
    const { signal } = new AbortController()
    return runCommand({ argv, env, stdin: Readable.from([]), stdout, stderr: stdout, signal, ...streams })
  }
  t.equal(await run(['register', username]), 0)
  return {
    run,
    chat(...to: string[]) {
      const [stdin, stdout, abort] = [new Keyboard(), new Terminal(100), new AbortController()]
      const ended = run(['chat', ...to], { stdin, stdout, stderr: stdout, signal: abort.signal })
      t.teardown(() => abort.abort())
      return { keyboard: stdin, screen: stdout, ended, interrupt: () => abort.abort() }
    }
  }
}

const { url } = await startChat(t)

t.test('A chat sends and shows messages in one terminal', async (t) => {
  const bob = await registered(t, url, 'bob')
  const alice = await userAtTerminal(t, 'alice')
  const { conversationId } = await bob.send({ username: 'alice' }, 'said before')

  const { keyboard, screen, ended } = alice.chat('bob')
  await screen.until(new RegExp(`── bob ──\n${NOW} bob: said before\nbob>$`))
  keyboard.enter('hello from the keyboard')
  await screen.until(new RegExp(`${NOW} alice: hello from the keyboard\nbob>$`))
  await eventually(async () => (await texts(bob, conversationId)).includes('hello from the keyboard'))
  keyboard.write('half a ')
  await bob.send(conversationId, 'heard at once\nin two lines')
  await screen.until(new RegExp(`${NOW} bob: heard at once\n  in two lines\nbob> half a$`))
  keyboard.enter('sentence')
  keyboard.enter('//not a command')
  keyboard.enter('\u001b[200~pasted\n/quit\n\u001b[201~')
  keyboard.enter('/quit')
  t.equal(await ended, 0)
  t.strictSame(await texts(bob, conversationId), [
    'said before',
    'hello from the keyboard',
    'heard at once\nin two lines',
    'half a sentence',
    '/not a command',
    'pasted\n/quit\n'
  ])
  const shown = screen.lines.filter((line) => /said before|heard at once|from the keyboard/.test(line))
  t.equal(shown.length, 3, 'nothing stands there twice')
})

t.test('Messages in other conversations are counted, and /go opens them', async (t) => {
  const [ben, cora] = [await registered(t, url, 'ben'), await registered(t, url, 'cora')]
  const anna = await userAtTerminal(t, 'anna')
  const { id } = await cora.conversations.createGroup('Lunch', ['anna', 'ben'])
  await ben.send({ username: 'anna' }, 'hello')

  const { keyboard, screen, ended } = anna.chat('ben')
  await screen.until(/ben: hello/)
  await cora.send(id, 'who is hungry?')
  await screen.until(/New messages in "Lunch"\.\nben \(\d unread\)>$/)
  keyboard.enter('/list')
  await screen.until(/"Lunch" \(\d unread\)/)
  keyboard.enter('/go Lunch')
  await screen.until(/── "Lunch" ──[^]*cora: who is hungry\?\n"Lunch">$/)
  keyboard.enter('/who')
  await screen.until(/anna: member, you\n· ben: member, offline, unverified\n· cora: admin, offline/)
  keyboard.enter('/go nobody-is-called-so')
  await screen.until(/! .*no.*user/i)
  keyboard.enter('/dance')
  await screen.until(/! There is no such command/)
  keyboard.enter('/help')
  await screen.until(/\/history \[N\]/)
  keyboard.enter('I am')
  keyboard.enter('/quit')
  t.equal(await ended, 0)
  t.ok((await texts(ben, id)).includes('I am'))
})

t.test('A chat shows who is online, and Ctrl-C ends it', async (t) => {
  const bella = await registered(t, url, 'bella')
  const adam = await userAtTerminal(t, 'adam')
  await bella.send({ username: 'adam' }, 'hello')
  const { screen, ended, interrupt } = adam.chat('bella')
  await screen.until(/bella: hello\nbella>$/)
  const away = new AbortController()
  const online = (async () => {
    for await (const _ of bella.events({ signal: away.signal })) void _
  })()
  await screen.until(/bella \(online\)>$/)
  away.abort()
  await online
  await screen.until(/bella is offline\.\nbella>$/)
  interrupt()
  t.equal(await ended, 0)
})

t.test('Changes of a contact’s devices are one line, without alarm', async (t) => {
  const dora = await registered(t, url, 'dora')
  const carl = await userAtTerminal(t, 'carl')
  const first = carl.chat('dora')
  await first.screen.until(/dora>$/)
  first.keyboard.enter('/quit')
  t.equal(await first.ended, 0)
  await link(dora, await client(t, url))
  await dora.devices.revoke(await link(dora, await client(t, url)))

  const { keyboard, screen, ended } = carl.chat('dora')
  await screen.until(
    /^· Devices of dora: 2 added, 1 removed\. The identity is the same: you have nothing to do\.$/m
  )
  keyboard.enter('/quit')
  t.equal(await ended, 0)
  t.equal(screen.lines.filter((line) => /device/i.test(line)).length, 1)
})

t.test('Nobody is online in a chat that has lost the server', async (t) => {
  const proxy = await tamperingProxy(t, url)
  const ella = await registered(t, url, 'ella')
  const emil = await userAtTerminal(t, 'emil')
  await ella.send({ username: 'emil' }, 'hello')
  const listener = new Listener(t, ella)
  await listener.first('connected')
  const { screen, interrupt, ended } = emil.chat('ella', '--url', proxy.url)
  await screen.until(/ella \(online\)>$/)
  proxy.tamper({ instead: ({ path }) => (path.startsWith('/v1/events') ? { status: 502 } : undefined) })
  proxy.cut()
  await screen.until(/Trying again …\nella>$/)
  proxy.tamper({})
  await screen.until(/Connected again\.\nella \(online\)>$/)
  interrupt()
  t.equal(await ended, 0)
})

t.test('A chat that something else answers says so, and what was typed meanwhile arrives once', async (t) => {
  const proxy = await tamperingProxy(t, url)
  const rosa = await registered(t, url, 'rosa')
  const rudi = await userAtTerminal(t, 'rudi')
  const { conversationId } = await rosa.send({ username: 'rudi' }, 'hello')
  const { keyboard, screen, interrupt, ended } = rudi.chat('rosa', '--url', proxy.url)
  await screen.until(/rosa: hello\nrosa.*>$/)
  proxy.tamper({ instead: () => ({ status: 404 }) })
  proxy.cut()
  await screen.until(/What answered is not the chat server \(status 404\)[^]*rosa>$/)
  keyboard.enter('said in a hotel')
  await screen.until(/said in a hotel\n[^]*rosa>$/)
  proxy.tamper({})
  await screen.until(/Connected again\./)
  await eventually(async () => (await texts(rosa, conversationId)).includes('said in a hotel'))
  interrupt()
  t.equal(await ended, 0)
  t.strictSame(await texts(rosa, conversationId), ['hello', 'said in a hotel'])
})

t.test('A chat says that a message is not kept if no key could be made for it', async (t) => {
  const proxy = await tamperingProxy(t, url)
  const ritas = await tamperingProxy(t, url)
  const rita = await registered(t, ritas.url, 'rita')
  const rolf = await userAtTerminal(t, 'rolf')
  const { conversationId } = await rita.send({ username: 'rolf' }, 'hello')
  const { keyboard, screen, interrupt, ended } = rolf.chat('rita', '--url', proxy.url)
  await screen.until(/rita: hello\nrita.*>$/)
  const laptop = await link(rita, await client(t, url))
  shortenWaits(t)
  // She makes no new session key herself.
  ritas.tamper({
    instead: ({ path }) => (/session-keys|conversations.*chain/.test(path) ? { status: 502 } : undefined)
  })
  await rita.devices.revoke(laptop)
  await screen.until(/Devices of rita: [^]*removed/)
  proxy.tamper({ instead: ({ method }) => (method === 'POST' ? { status: 502 } : undefined) })
  keyboard.enter('into the void')
  await screen.until(/It was not sent, and is not kept\./)
  proxy.tamper({})
  ritas.tamper({})
  keyboard.enter('once more')
  await eventually(async () => (await texts(rita, conversationId)).includes('once more'))
  interrupt()
  t.equal(await ended, 0)
  t.strictSame(await texts(rita, conversationId), ['hello', 'once more'])
})

t.test('Text by others cannot control the terminal of a chat', async (t) => {
  const max = await registered(t, url, 'max')
  const ada = await userAtTerminal(t, 'ada')
  const { id } = await max.conversations.createGroup('\u001b]0;owned\u0007Lunch\u202e', ['ada'])
  await max.send(id, '\u001b[2J\u001b[H\u0007you are root\r#')

  const { keyboard, screen, ended } = ada.chat(id)
  // The terminal of this test throws for control characters that it does not know.
  await screen.until(/── .*Lunch.* ──[^]*you are root.*#\n".*Lunch.*>$/)
  t.notMatch(screen.lines.join(''), /[\p{Cc}\u202e]/u)
  keyboard.enter('/quit')
  t.equal(await ended, 0)
})

t.test('Without a terminal, each line of stdin is a message', async (t) => {
  const betty = await registered(t, url, 'betty')
  const amos = await userAtTerminal(t, 'amos')
  const { id } = await betty.conversations.direct('amos')
  t.equal(await amos.run(['chat', 'betty'], { stdin: Readable.from(['one\ntwo\n']) }), 0)
  t.strictSame(await texts(betty, id), ['one', 'two'])
  t.equal(await amos.run(['chat']), 2, 'there is nobody who could choose')
})
