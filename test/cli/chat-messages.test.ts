import t from 'tap'
import { atTerminal } from '../support/at-terminal.js'
import { registered } from '../support/chat-clients.js'
import { startChat } from '../support/start-chat.js'
import { tamperingProxy, type Answer } from '../support/tampering-proxy.js'

const { url } = await startChat(t)
const proxy = await tamperingProxy(t, url)
const isHistory = ({ path }: Answer) => path.includes('/messages?')
const bob = await registered(t, url, 'bob')
const start = atTerminal(t, proxy.url)
await start(['register', 'alice']).ended
const { id } = await bob.conversations.direct('alice')

t.beforeEach(() => proxy.tamper({}))

t.test('A message stands on the screen once, however often the server shows it', async (t) => {
  await bob.send(id, 'first')
  await bob.send(id, 'second')
  proxy.tamper({ frame: (frame) => (frame.event === 'message' ? [frame, frame] : [frame]) })
  const { keyboard, screen, ended } = start(['chat', 'bob'])
  await screen.until(/second\nbob>$/)
  await bob.send(id, 'third')
  await screen.until(/third\nbob>$/)
  keyboard.enter('fourth')
  await bob.send(id, 'fifth')
  await screen.until(/fifth\nbob>$/)
  keyboard.enter('/quit')
  t.equal(await ended, 0)
  const shown = screen.lines.flatMap((line) => /: (\w+)$/.exec(line)?.[1] ?? [])
  t.strictSame(shown, ['first', 'second', 'third', 'fourth', 'fifth'])
})

t.test(
  'Messages from before those on the screen are mentioned once, and not shown below newer ones',
  async (t) => {
    for (let n = 1; n <= 30; n++) await bob.send(id, `while away ${n}`)
    const { keyboard, screen, ended } = start(['chat', 'bob'])
    await screen.until(/while away 11\n[^]*while away 30\n[^]*Earlier messages have arrived, too[^]*bob>$/)
    await bob.send(id, 'now')
    await screen.until(/now\nbob>$/)
    const screenful = screen.lines.join('\n')
    t.notMatch(screenful, /while away 10$/m)
    t.equal(screenful.match(/Earlier messages/g)?.length, 1)
    keyboard.enter('/history 200')
    await screen.until(/while away 10\n[^]*now\nbob>$/)
    keyboard.enter('/quit')
    t.equal(await ended, 0)
  }
)

t.test('A title that somebody sends in a direct conversation does not rename them', async (t) => {
  const { keyboard, screen, ended } = start(['chat', 'bob'])
  await screen.until(/bob>$/)
  await bob.send(id, { type: 'title', text: 'carol' })
  await screen.until(/names the group\) "carol"\nbob>$/)
  keyboard.enter('/quit')
  t.equal(await ended, 0)
})

t.test('A position that is too high hides no later message', async (t) => {
  await bob.send(id, 'next to last')
  proxy.tamper({
    answer: (answer) => void (isHistory(answer) && (answer.body.items[0].position = 2 ** 47))
  })
  const { keyboard, screen, ended } = start(['chat', 'bob'])
  await screen.until(/bob: next to last\nbob>$/)
  await bob.send(id, 'last')
  await screen.until(/bob: next to last\n[^]*out of order[^]* bob: last\nbob>$/)
  keyboard.enter('/quit')
  t.equal(await ended, 0)
})
