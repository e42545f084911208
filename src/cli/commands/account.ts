import type { Command } from 'commander'
import { username } from '../parsers.js'
import { registerAsked } from '../new-account.js'
import { addExamples } from '../help.js'
import { showLinkNumber, waitUntilLinked } from '../linking.js'
import { showNotice } from '../notice.js'
import { printToStderr, print, printJson, type Io } from '../terminal/io.js'
import type { GlobalOptions } from '../profile.js'
import { confirm } from '../terminal/prompt.js'
import { accountPassword, rememberServer, requireAccount, withClient } from '../with-chat.js'

interface LoginOptions {
  deviceName?: string
  newDevice?: boolean
  /** False for `--no-wait`. */
  wait?: boolean
}

/** `register`, `login`, `logout`, `whoami`: the account of a profile. */
export function accountCommands(program: Command, io: Io): void {
  const options = () => program.opts<GlobalOptions>()
  addExamples(
    program
      .command('register')
      .description('create an account, with this machine as its first device')
      .argument('<name>', 'username: 3 to 32 characters of a-z 0-9 _ . -', username)
      .option('--device-name <name>', 'name of this machine')
      .action((name: string, given: LoginOptions) => register(io, options(), name, given)),
    'register alice',
    'register ops-bot --profile ops-bot --password-file /run/secrets/ops-bot'
  )
  addExamples(
    program
      .command('login')
      .description('log in; a machine that is new to the account waits for approval')
      .argument('<name>', 'username', username)
      .option('--device-name <name>', 'name of this machine, if it is new')
      .option(
        '--new-device',
        'if this device was revoked, or you began again elsewhere: destroy its keys, and log in as a new one'
      )
      .option('--no-wait', 'do not wait for the approval')
      .action((name: string, given: LoginOptions) => login(io, options(), name, given)),
    'login alice',
    'login alice --profile laptop --device-name laptop'
  )
  addExamples(
    program
      .command('logout')
      .description('log out; the keys stay for the next log-in')
      .option('--forget', 'also destroy the keys: this device can never be used again')
      .option('--yes', 'do not ask')
      .action((given: { forget?: boolean; yes?: boolean }) => logout(io, options(), given)),
    'logout',
    'logout --forget'
  )
  addExamples(
    program
      .command('whoami')
      .description('show the account of this profile')
      .option('--json', 'print one line of JSON')
      .action(({ json }: { json?: boolean }) => whoami(io, options(), json)),
    'whoami',
    'whoami --json --profile work'
  )
}

async function register(
  io: Io,
  options: GlobalOptions,
  username: string,
  { deviceName }: LoginOptions
): Promise<void> {
  await withClient(io, options, async (chat) => {
    const named = deviceName === undefined ? {} : { deviceName }
    const account = await registerAsked(io, options, chat, { username, ...named })
    await rememberServer(io, options)
    print(io, `You are ${account.username}.`)
    printToStderr(
      io,
      'If you lose this machine, a backup can restore your messages: secure-chat backup create'
    )
  })
}

async function login(
  io: Io,
  options: GlobalOptions,
  username: string,
  { deviceName, newDevice = false, wait }: LoginOptions
): Promise<void> {
  await withClient(io, options, async (chat) => {
    const password = await accountPassword(io, options, chat, username)
    const named = deviceName === undefined ? {} : { deviceName }
    const result = await chat.login({ username, password, ...named, asNewDevice: newDevice })
    await rememberServer(io, options)
    await showNotice(io, options, chat)
    if (result.status === 'active') return print(io, `You are ${chat.account!.username}.`)
    if (wait !== false) {
      printToStderr(
        io,
        'This device is new. You can stop with Ctrl-C, and go on with "secure-chat devices link".'
      )
      return waitUntilLinked(io, chat)
    }
    showLinkNumber(io, result.linkNumber)
    printToStderr(io, 'Then go on here with "secure-chat devices link".')
  })
}

async function logout(
  io: Io,
  options: GlobalOptions,
  { forget = false, yes }: { forget?: boolean; yes?: boolean }
): Promise<void> {
  await withClient(io, options, async (chat) => {
    const { username, deviceId } = requireAccount(io, options, chat)
    if (forget)
      await confirm(io, `Destroy the keys of ${username} on this machine? This cannot be undone.`, yes)
    const { isEnded } = await chat.logout({ forget })
    if (isEnded) printToStderr(io, 'Logged out.')
    else
      printToStderr(
        io,
        'The server could not be told: the session stays open there, but its tokens are destroyed.'
      )
    if (!forget) return
    printToStderr(io, 'The keys are destroyed.')
    printToStderr(
      io,
      `On a device that is logged in, revoke this one: secure-chat devices revoke ${deviceId}`
    )
  })
}

async function whoami(io: Io, options: GlobalOptions, json: boolean | undefined): Promise<void> {
  const account = await withClient(io, options, async (chat) => requireAccount(io, options, chat))
  if (json === true) return printJson(io, account)
  const { username, status, loggedIn } = account
  print(io, `${username} (${status}, ${loggedIn ? 'logged in' : 'logged out'})`)
}
