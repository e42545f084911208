import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { build } from 'esbuild'
import t, { type Test } from 'tap'
import ts from 'typescript'
import { browserOrSkip, browserSite } from '../support/browser.js'
import { Listener, PASSWORD, registered, textOf } from '../support/chat-clients.js'
import { startChat } from '../support/start-chat.js'

const root = join(import.meta.dirname, '../../..')
const examples = join(root, 'examples')

t.test('The examples compile in strict mode, with the types of the package', async (t) => {
  const read = (path: string) => ts.sys.readFile(path)
  const { config } = ts.readConfigFile(join(examples, 'tsconfig.json'), read) as { config: object }
  const { fileNames, options } = ts.parseJsonConfigFileContent(config, ts.sys, examples)
  t.equal(fileNames.length, 2)
  const types = join(root, 'build/src/client')
  const paths = {
    'secure-chat-client': [join(types, 'index.d.ts')],
    'secure-chat-client/node': [join(types, 'node.d.ts')]
  }
  const program = ts.createProgram(fileNames, { ...options, paths })
  t.strictSame(
    ts
      .getPreEmitDiagnostics(program)
      .map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n')),
    []
  )
})

t.test('The bot answers, stops at Ctrl-C, and goes on at the next start', async (t) => {
  const { url } = await startChat(t, { CONTACT_POLICY: 'requests' })
  const folder = t.testdir()
  await build({
    entryPoints: [join(examples, 'bot.ts')],
    outfile: join(folder, 'bot.mjs'),
    bundle: true,
    platform: 'node',
    format: 'esm',
    logLevel: 'error'
  })
  const start = () => startBot(t, folder, url)

  const bot = start()
  await bot.says('ping-bot is listening.')
  const alice = await registered(t, url, 'alice')
  const heard = new Listener(t, alice)
  const answerTo = (id: string) =>
    heard.first(
      'message',
      (event) => textOf(event) === 'pong' && 'ref' in event.content && event.content.ref?.id === id
    )
  const first = await alice.send({ username: 'ping-bot' }, 'ping')
  await answerTo(first.id)
  t.equal(await bot.stop(), 0)

  await alice.send({ username: 'ping-bot' }, 'Are you there?')
  const second = await alice.send({ username: 'ping-bot' }, 'Ping')
  const again = start()
  await answerTo(second.id)
  t.equal(await again.stop(), 0)
  t.equal(heard.texts().filter((text) => text === 'pong').length, 2)
})

const { browser, skip } = browserOrSkip()

t.test('The page registers a user, shows what comes and sends, also after a reload', { skip }, async (t) => {
  const { outputFiles } = await build({
    entryPoints: [join(examples, 'browser/page.ts')],
    bundle: true,
    format: 'esm',
    write: false,
    logLevel: 'error'
  })
  const html = await readFile(join(examples, 'browser/index.html'), 'utf8')
  const site = await browserSite(t, browser!, outputFiles[0]!.text, html)
  const { url } = await startChat(t, { CORS_ORIGINS: site.origin, CONTACT_POLICY: 'requests' })
  const page = await site.open()
  await page.goto(`${site.origin}/?server=${encodeURIComponent(url)}`)
  await page.fill('#sign-in [name=username]', 'carol')
  await page.fill('#sign-in [name=password]', PASSWORD)
  await page.click('#sign-in button')
  await page.waitForSelector('#status:has-text("You are carol.")')

  const bob = await registered(t, url, 'bob')
  const heard = new Listener(t, bob)
  await bob.send({ username: 'carol' }, 'Hello <b>Carol</b>')
  await page.waitForSelector('li:has-text("bob: Hello <b>Carol</b>")')
  await page.fill('#send [name=to]', 'bob')
  await page.fill('#send [name=text]', 'Hello Bob')
  await page.click('#send button')
  await heard.message('Hello Bob')

  await page.reload()
  await page.waitForSelector('li:has-text("carol: Hello Bob")')
  t.strictSame(await page.locator('li').allTextContents(), ['bob: Hello <b>Carol</b>', 'carol: Hello Bob'])
})

interface Bot {
  /** Resolves when the bot has printed this. */
  says: (text: string) => Promise<void>
  /** Ctrl-C. @returns the exit code */
  stop: () => Promise<number | null>
}

function startBot(t: Test, folder: string, url: string): Bot {
  const env = { ...process.env, SECURE_CHAT_URL: url, BOT_PASSWORD: PASSWORD, BOT_FOLDER: 'keys' }
  const child = spawn(process.execPath, ['bot.mjs'], {
    cwd: folder,
    env,
    stdio: ['ignore', 'pipe', 'inherit']
  })
  t.teardown(() => child.kill('SIGKILL'))
  const ended = once(child, 'exit') as Promise<[number | null]>
  let printed = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (printed += text))
  return {
    async says(text) {
      while (!printed.includes(text)) await once(child.stdout, 'data')
    },
    async stop() {
      child.kill('SIGINT')
      return (await ended)[0]
    }
  }
}
