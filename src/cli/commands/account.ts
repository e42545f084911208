import type { Command } from 'commander'
import { note, print, printJson, type Io } from '../io.js'
import type { GlobalOptions } from '../profile.js'
import { examples } from '../help.js'
import { accountPassword } from '../secrets.js'
import { remember, withChat } from '../session.js'

/** `register`, `login`, `logout`, `whoami`: who is at this machine. */
export function accountCommands(program: Command, io: Io): void {
  examples(
    program
      .command('register')
      .description('make an account, with this machine as its first device')
      .argument('<name>', 'username: 3 to 32 of a-z 0-9 _ . -')
      .option('--device-name <name>', 'what to call this machine')
      .action(async (name: string, { deviceName }: { deviceName?: string }) => {
        const options = program.opts<GlobalOptions>()
        const account = await withChat(io, options, async (chat) => {
          const password = await accountPassword(io, options, `Choose a password for ${name}`)
          note(io, 'Making keys …')
          return chat.register({ username: name, password, ...(deviceName !== undefined && { deviceName }) })
        })
        await remember(io, options)
        print(io, `You are ${account.username}. This device's key is ${account.fingerprint}.`)
      }),
    'register alice',
    'SECURE_CHAT_PASSWORD="$(pass chat)" secure-chat register ops-bot --profile ops-bot'
  )
  examples(
    program
      .command('whoami')
      .description('show the account of this profile')
      .option('--json', 'as one line of JSON')
      .action(async ({ json }: { json?: boolean }) => {
        const account = await withChat(io, program.opts<GlobalOptions>(), async (chat) => chat.account)
        if (json === true) printJson(io, account)
        else if (account === null) print(io, 'Nobody is registered in this profile.')
        else
          print(
            io,
            `${account.username} (${account.status}, ${account.loggedIn ? 'logged in' : 'logged out'})`
          )
      }),
    'whoami',
    'whoami --json --profile work'
  )
}
