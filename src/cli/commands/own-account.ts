import { Option, type Command } from 'commander'
import { ChatError, type ChatClient } from '../../client/index.js'
import { addExamples } from '../help.js'
import type { GlobalOptions } from '../profile.js'
import { printJsonAndWait, printToStderr, type Io } from '../terminal/io.js'
import { agree, confirmName, isInteractive, readPassword, withNewPassword } from '../terminal/prompt.js'
import { sanitize } from '../terminal/sanitize.js'
import { writeWhole } from '../whole-file.js'
import { accountPassword, requireAccount, withChat, withClient } from '../with-chat.js'

interface PasswordOptions {
  newPasswordFile?: string
  revokeOthers?: boolean
  keepOthers?: boolean
}

/** `password`, `export`, `delete-account`: what the owner does with the account. */
export function ownAccountCommands(program: Command, io: Io): void {
  const options = () => program.opts<GlobalOptions>()
  addExamples(
    program
      .command('password')
      .description('change the password; all other sessions end')
      .option('--new-password-file <path>', 'read the new password from the first line of this file')
      .option('--revoke-others', 'also revoke your other devices')
      .addOption(new Option('--keep-others', 'let your other devices go on').conflicts('revokeOthers'))
      .action((given: PasswordOptions) => changePassword(io, options(), given)),
    'password',
    'password --revoke-others'
  )
  addExamples(
    program
      .command('export')
      .description('write all that the server holds on you, as lines of JSON')
      .argument('[file]', 'where to write it; without it, to the output')
      .action((file: string | undefined) => exportAll(io, options(), file)),
    'export my-data.jsonl'
  )
  addExamples(
    program
      .command('delete-account')
      .description('leave all groups, and delete the account and the keys on this machine for ever')
      .option('--yes', 'do not ask')
      .action(({ yes }: { yes?: boolean }) => deleteAccount(io, options(), yes)),
    'delete-account'
  )
}

async function changePassword(io: Io, options: GlobalOptions, given: PasswordOptions): Promise<void> {
  const source = {
    message: 'Choose a new password',
    variable: 'SECURE_CHAT_NEW_PASSWORD',
    file: given.newPasswordFile,
    fileOption: '--new-password-file'
  }
  await withChat(io, options, async (chat) => {
    const revokeOthers = await shallRevoke(io, chat, given)
    const currentPassword = await readPassword(io, options, 'The password that you have now')
    const { revoked } = await withNewPassword(io, source, (newPassword) =>
      chat.changePassword({ currentPassword, newPassword, revokeOthers })
    )
    printToStderr(io, 'The password is changed. All other sessions have ended.')
    for (const { name } of revoked) printToStderr(io, `"${sanitize(name)}" was revoked.`)
  })
}

async function shallRevoke(
  io: Io,
  chat: ChatClient,
  { revokeOthers, keepOthers }: PasswordOptions
): Promise<boolean> {
  // The server is asked first in any case: it may be away, and the session may have ended.
  const others = (await chat.devices.list()).filter(
    ({ status, purpose, current }) => status === 'active' && purpose === 'chat' && !current
  )
  if (revokeOthers === true || keepOthers === true) return revokeOthers === true
  if (others.length === 0) return false
  const names = others.map(({ name }) => `"${sanitize(name)}"`).join(', ')
  if (isInteractive(io))
    return agree(io, `Your other devices (${names}) log in again with their keys. Revoke them, too?`)
  printToStderr(io, `Your other devices go on: ${names}. To revoke them, too: --revoke-others`)
  return false
}

async function exportAll(io: Io, options: GlobalOptions, path: string | undefined): Promise<void> {
  await withChat(io, options, async (chat) => {
    if (path === undefined) {
      for await (const record of chat.export()) await printJsonAndWait(io, record)
      return
    }
    let count = 0
    await writeWhole(path, async (file) => {
      for await (const record of chat.export()) {
        await file.appendFile(`${JSON.stringify(record)}\n`)
        count++
      }
    })
    printToStderr(io, `${count} records were written to ${path}.`)
  })
}

async function deleteAccount(io: Io, options: GlobalOptions, yes: boolean | undefined): Promise<void> {
  await withClient(io, options, async (chat) => {
    const { username } = requireAccount(io, options, chat)
    const what = `This deletes ${username} for ever: the account, its devices, the backup, and the keys on this machine.`
    await confirmName(io, what, username, yes)
    const password = await accountPassword(io, options, chat, username)
    const { stayedIn } = await chat.deleteAccount({ password }).catch(async (error: unknown) => {
      if (!(error instanceof ChatError) || error.kind !== 'logged-out') throw error
      await chat.login({ username, password })
      return chat.deleteAccount({ password })
    })
    for (const id of stayedIn)
      printToStderr(io, `You could not leave the group ${id}, and stay in it as a deleted member.`)
    printToStderr(io, `The account ${username} is deleted. The keys on this machine are destroyed.`)
  })
}
