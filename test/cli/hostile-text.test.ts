import t, { type Test } from 'tap'
import { atTerminal } from '../support/at-terminal.js'
import { registered } from '../support/chat-clients.js'
import { startChat } from '../support/start-chat.js'
import { tamperingProxy, type Answer } from '../support/tampering-proxy.js'
import type { Cells, Terminal } from '../support/terminal.js'

/** Only other members and the server write with these letters. */
const FOREIGN = /[\p{Script=Cyrillic}\p{Script=Hebrew}\p{Script=Han}]/u
const LINE = 'йййй-йй-йй йй:йй боб: да'
/** Every way out of a row that we know. */
const HOSTILE = [
  `да${' '.repeat(60)}${LINE}`,
  `да\u3000\u2003\t${'\u3164'.repeat(50)}${LINE}`,
  `${'日本'.repeat(30)}${LINE}`,
  `${'👩\u200d👩\u200d👧'.repeat(20)} ${LINE}`,
  `да\n${LINE}\r\n${LINE}\r${LINE}\u2028${LINE}\u0085${LINE}\v${LINE}`,
  `\u001b[2J\u001b[1;1H${LINE}\u001b[10D${LINE}\u009b10D${LINE}`,
  `\u202e${LINE}\u2066\u202cשלום ${LINE}\u2069\u2069 ${LINE}`,
  `да${'\u0301'.repeat(60)} ${LINE}\u200b\u2060\ufeff`
]
const TITLE = `да": ${LINE} ${LINE} ${'👩\u200d👩\u200d👧'.repeat(8)} ${'日本'.repeat(20)}\u200b"`
const DEVICE = `да (this one)  ${LINE}`

const { url } = await startChat(t)
const proxy = await tamperingProxy(t, url)
const start = atTerminal(t, proxy.url)

/** Foreign text was shown, and never at the beginning of a row. */
function isMarked(t: Test, { lines }: Terminal, what: string): void {
  t.ok(
    lines.some((row) => FOREIGN.test(row)),
    `${what} shows it`
  )
  t.strictSame(
    lines.filter((row) => FOREIGN.test(row[0] ?? '') || /\p{Cc}/u.test(row)),
    [],
    what
  )
}

const mallory = await registered(t, url, 'mallory')
await start(['register', 'vera']).ended
await start(['--profile', 'other', 'login', 'vera', '--no-wait', '--device-name', DEVICE]).ended
const { id } = await mallory.conversations.createGroup('да', ['vera'])
await mallory.conversations.setRole(id, 'vera', 'admin')
await mallory.conversations.rename(id, TITLE)
for (const text of HOSTILE) await mallory.send(id, text)
const file = { attachment: crypto.randomUUID(), mediaType: 'image/png', size: 9, sha256: '0'.repeat(64) }
const key = `${'A'.repeat(43)}=`
await mallory.send(id, { type: 'file', ...file, key, name: TITLE, text: HOSTILE[0]! })
const ref = { id: crypto.randomUUID(), digest: '0'.repeat(64) }
await mallory.send(id, { type: 'reaction', ref, text: LINE })

const terminals: [columns: number, cells: Cells][] = [
  [80, {}],
  [80, { ambiguousAreWide: true }],
  [40, { joinsEmoji: true }],
  [13, { ambiguousAreWide: true }]
]

for (const [columns, cells] of terminals)
  t.test(
    `On a terminal of ${columns} columns no text by others begins a row ${JSON.stringify(cells)}`,
    async (t) => {
      const commands = [
        ['history', id],
        ['listen', '--count', '3'],
        ['conversations'],
        ['group', 'info', id],
        ['conversations', 'info', id],
        ['group', 'add', id, 'mallory'],
        ['devices'],
        ['devices', 'requests']
      ]
      for (const argv of commands) {
        const { screen, ended } = start(argv, columns, cells)
        t.equal(await ended, 0)
        isMarked(t, screen, argv.join(' '))
      }
    }
  )

t.test('Nor does it in a chat, its prompt and its notices', async (t) => {
  for (const [columns, cells] of terminals) {
    const { keyboard, screen, ended } = start(['chat', id], columns, cells)
    await screen.until(/── [^]*\n".*>$/)
    for (const line of ['/list', '/who', '/history 9', LINE]) keyboard.enter(line)
    await mallory.conversations.rename(id, TITLE)
    await mallory.send(id, HOSTILE[0]!)
    await mallory.send(id, 'end')
    await screen.until(/end\n".*>$/)
    keyboard.enter('/quit')
    t.equal(await ended, 0)
    isMarked(t, screen, `chat ${columns}`)
  }
})

t.test('Nor does it in a question', async (t) => {
  for (const [columns, cells] of terminals) {
    const leaving = start(['group', 'leave', id], columns, cells)
    await leaving.screen.until(/Yes/)
    leaving.keyboard.write('n')
    t.equal(await leaving.ended, 130)
    isMarked(t, leaving.screen, 'group leave')
    const choosing = start(['chat'], columns, cells)
    await choosing.screen.until(/Which[^]*●/)
    choosing.interrupt()
    t.equal(await choosing.ended, 130)
    isMarked(t, choosing.screen, 'chat')
  }
})

t.test('Nor does it in an error, whatever the server says', async (t) => {
  const lie = (answer: Answer) => {
    answer.status = 403
    answer.body = {
      type: '/problems/forbidden',
      title: LINE,
      status: 403,
      code: 'forbidden',
      detail: HOSTILE.join('')
    }
  }
  proxy.tamper({ answer: lie })
  t.teardown(() => proxy.tamper({}))
  for (const argv of [['conversations', '--verbose'], ['doctor'], ['send', id, 'hello']]) {
    const { screen, ended } = start(argv, 30)
    t.equal(await ended, 1)
    isMarked(t, screen, argv.join(' '))
  }
})

t.test('Nor does it in the name of a device that the server makes up', async (t) => {
  proxy.tamper({
    answer({ path, body }) {
      if (path.startsWith('/v1/devices')) for (const device of body.items) device.name = HOSTILE.join('')
    }
  })
  t.teardown(() => proxy.tamper({}))
  const { screen, ended } = start(['devices'], 30)
  t.equal(await ended, 0)
  isMarked(t, screen, 'devices')
})

t.test('A title that looks like another one is shown with what makes it different', async (t) => {
  for (const title of [
    'ops',
    'ops\u200b',
    'ops\u3164',
    'o\u00adps',
    '\ufeffops',
    'ops ',
    'ops\u{e0041}',
    'ops\ufe0f'
  ])
    await mallory.conversations.createGroup(title, ['vera'])
  const { screen, ended } = start(['conversations'], 200)
  t.equal(await ended, 0)
  const titles = screen.lines.flatMap((row) => / group +"(.*o\S*ps.*)"/.exec(row)?.[1] ?? [])
  t.equal(new Set(titles).size, 8, titles.join())
})
