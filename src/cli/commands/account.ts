import type { Command } from 'commander'
import type { ChatClient } from '../../client/index.js'
import { username } from '../parsers.js'
import { addExamples } from '../help.js'
import { printToStderr, print, printJson, type Io } from '../terminal/io.js'
import { formatFingerprint } from '../terminal/format.js'
import type { GlobalOptions } from '../profile.js'
import { readPassword, confirm, readNewPassword } from '../terminal/prompt.js'
import { rememberServer, requireAccount, withClient } from '../with-chat.js'

interface LoginOptions {
  deviceName?: string
  /** False for `--no-wait`. */
  wait?: boolean
}

/** `register`, `login`, `logout`, `whoami`: who is at this machine. */
export function accountCommands(program: Command, io: Io): void {
  const options = () => program.opts<GlobalOptions>()
  addExamples(
    program
      .command('register')
      .description('make an account, with this machine as its first device')
      .argument('<name>', 'username: 3 to 32 of a-z 0-9 _ . -', username)
      .option('--device-name <name>', 'what to call this machine')
      .action((name: string, given: LoginOptions) => register(io, options(), name, given)),
    'register alice',
    'register ops-bot --profile ops-bot --password-file /run/secrets/ops-bot'
  )
  addExamples(
    program
      .command('login')
      .description('begin a session; a machine that is new to the account waits for its approval')
      .argument('<name>', 'username', username)
      .option('--device-name <name>', 'what to call this machine, if it is new')
      .option('--no-wait', 'do not wait for the approval')
      .action((name: string, given: LoginOptions) => login(io, options(), name, given)),
    'login alice',
    'login alice --profile laptop --device-name laptop'
  )
  addExamples(
    program
      .command('logout')
      .description('end the session; the keys stay, for the next log-in')
      .option('--forget', 'destroy the keys too: this device is never to be used again')
      .option('--yes', 'do not ask')
      .action((given: { forget?: boolean; yes?: boolean }) => logout(io, options(), given)),
    'logout',
    'logout --forget'
  )
  addExamples(
    program
      .command('whoami')
      .description('show the account of this profile')
      .option('--json', 'as one line of JSON')
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
  const password = await readNewPassword(io, options, `Choose a password for ${username}`)
  await withClient(io, options, async (chat) => {
    printToStderr(io, 'Making keys …')
    const named = deviceName === undefined ? {} : { deviceName }
    const account = await chat.register({ username, password, ...named })
    await rememberServer(io, options)
    print(
      io,
      `You are ${account.username}. This device's fingerprint is ${formatFingerprint(account.fingerprint)}.`
    )
    printToStderr(
      io,
      'Should this machine be lost, a backup saves what it can read: secure-chat backup create'
    )
  })
}

async function login(
  io: Io,
  options: GlobalOptions,
  username: string,
  { deviceName, wait }: LoginOptions
): Promise<void> {
  await withClient(io, options, async (chat) => {
    const password = await readPassword(io, options, `Password of ${username}`)
    const named = deviceName === undefined ? {} : { deviceName }
    const result = await chat.login({ username, password, ...named })
    await rememberServer(io, options)
    if (result.status === 'pending') {
      print(io, `This device is new. Its fingerprint is ${formatFingerprint(result.fingerprint)}.`)
      printToStderr(
        io,
        'Approve it where you are logged in, if the same is shown there: secure-chat devices approve'
      )
      if (wait === false) return
      await waitForApproval(io, chat)
    }
    print(io, `You are ${chat.account!.username}.`)
  })
}

async function waitForApproval(io: Io, chat: ChatClient): Promise<void> {
  printToStderr(io, 'Waiting … (Ctrl-C stops waiting; the next command goes on if it was approved meanwhile)')
  await chat.waitForApproval({ signal: io.signal })
}

async function logout(
  io: Io,
  options: GlobalOptions,
  { forget = false, yes }: { forget?: boolean; yes?: boolean }
): Promise<void> {
  await withClient(io, options, async (chat) => {
    const { username, deviceId } = requireAccount(io, options, chat)
    if (forget)
      await confirm(io, `Destroy the keys of ${username} on this machine? Nothing brings them back.`, yes)
    await chat.logout({ forget })
    printToStderr(io, forget ? 'Logged out, and the keys are destroyed.' : 'Logged out.')
    if (forget)
      printToStderr(io, `Revoke the device where you are logged in: secure-chat devices revoke ${deviceId}`)
  })
}

async function whoami(io: Io, options: GlobalOptions, json: boolean | undefined): Promise<void> {
  const account = await withClient(io, options, async (chat) => chat.account)
  if (json === true) return printJson(io, account)
  if (account === null) return print(io, 'Nobody is registered in this profile.')
  const { username, status, loggedIn, fingerprint } = account
  print(io, `${username} (${status}, ${loggedIn ? 'logged in' : 'logged out'})`)
  print(io, `This device's fingerprint is ${formatFingerprint(fingerprint)}.`)
}
