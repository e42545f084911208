import t, { type Test } from 'tap'
import { atTerminal, type AtTerminal } from '../support/at-terminal.js'
import { PASSWORD } from '../support/command-line.js'
import { shortenWaits } from '../support/short-waits.js'
import { startChat } from '../support/start-chat.js'

const nowhere = 'http://127.0.0.1:9'
const invitation = (server: string) => `${server}/#/join/${'x'.repeat(21)}A`
const { url } = await startChat(t)
const start = atTerminal(t, url, { SECURE_CHAT_PASSWORD: '' })

const CHOOSE = ['Choose a (?:new )?password', PASSWORD] as const
const AGAIN = ['Enter it again', PASSWORD] as const

/** Answer the prompts of a command, in order. @returns its exit code, and what the screen shows at the end */
async function answer(
  { keyboard, screen, ended }: AtTerminal,
  ...answers: (readonly [prompt: string, text: string])[]
) {
  for (const [prompt, text] of answers) {
    await screen.until(new RegExp(`[◆▲]  ${prompt}[^◆▲]*$`))
    keyboard.enter(text)
  }
  return { code: await ended, screen: screen.lines.join('\n') }
}

/** The command ends without a question, and says why. */
async function endsUnasked(t: Test, argv: string[], code: number, says: RegExp) {
  const { screen, ended, interrupt } = start(argv)
  const look = setInterval(() => screen.lines.join('').includes('◆') && interrupt(), 20)
  t.equal(await ended, code, argv.join(' '))
  clearInterval(look)
  t.match(screen.lines.join('\n'), says)
  t.notMatch(screen.lines.join('\n'), /◆|Generating/)
}

t.match(await answer(start(['register', 'alice']), CHOOSE, AGAIN), { code: 0 })

t.test('A server that is away is told before a question', async (t) => {
  shortenWaits(t)
  for (const line of [
    '--profile new register bob',
    '--profile new login bob',
    '--profile new restore bob',
    `--profile new join ${invitation(nowhere)} bob`,
    'reset-password alice',
    'password',
    'password --keep-others',
    'delete-account --yes',
    'devices reset --yes',
    'backup create --passphrase'
  ])
    await endsUnasked(t, ['--url', nowhere, ...line.split(' ')], 3, /Is a server running at/)
})

t.test('So is what the server refuses, whatever the password', async (t) => {
  const { url: closed } = await startChat(t, { REGISTRATION: 'invite' })
  for (const [line, says] of [
    ['--profile new register alice', /taken/],
    [`--profile new --url ${closed} register bob`, /secure-chat join LINK NAME/],
    [`--profile new join ${invitation(url)} bob`, /used, revoked, or has expired/]
  ] as const)
    await endsUnasked(t, line.split(' '), 1, says)
})

t.test('So is a profile that holds something else', async (t) => {
  for (const line of ['register bob', 'login bob', 'restore bob'])
    await endsUnasked(t, line.split(' '), 2, /--profile NAME/)
})

t.test('A restore asks for the code when there is a backup, and makes nothing before', async (t) => {
  const password = ['Password of alice', PASSWORD] as const
  const { code, screen } = await answer(start(['--profile', 'new', 'restore', 'alice']), password)
  t.equal(code, 1)
  t.match(screen, /There is no backup/)
  t.notMatch(screen, /Recovery code|Generating/)
})

t.test('A password that is too short, or easy to guess, is asked for again', async (t) => {
  const common = 'password1234'
  const weak = [
    ['Choose a (?:new )?password', 'short'],
    ['Choose[^◆▲]*10 to 256 characters', common],
    ['Enter it again', common]
  ] as const
  const bob = await answer(start(['--profile', 'bob', 'register', 'bob']), ...weak, CHOOSE, AGAIN)
  t.equal(bob.code, 0, bob.screen)
  t.match(bob.screen, /common one[^]*Choose a password[^]*You are bob\./)
  const before = ['The password that you have now', PASSWORD] as const
  const next = await answer(start(['--profile', 'bob', 'password']), before, ...weak, CHOOSE, AGAIN)
  t.equal(next.code, 0, next.screen)
  t.match(next.screen, /common one[^]*The password is changed/)
})
