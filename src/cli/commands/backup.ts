import type { Command } from 'commander'
import type { ChatClient } from '../../client/index.js'
import { username } from '../parsers.js'
import { UsageError } from '../errors.js'
import { addExamples } from '../help.js'
import { printToStderr, print, printJson, type Io } from '../terminal/io.js'
import { formatFingerprint } from '../terminal/format.js'
import type { GlobalOptions } from '../profile.js'
import { readPassword, confirm, configuredPassword, readSecret } from '../terminal/prompt.js'
import { rememberServer, withClient, withChat } from '../with-chat.js'

interface BackupOptions {
  passphrase?: boolean
  passphraseFile?: string
}

interface RestoreOptions extends BackupOptions {
  codeFile?: string
  deviceName?: string
}

/** `backup …` and `restore`: a sealed way back in, for when all devices are lost. */
export function backupCommands(program: Command, io: Io): void {
  const options = () => program.opts<GlobalOptions>()
  const inChat = (work: (chat: ChatClient) => Promise<void>) => withChat(io, options(), work)
  const backup = program
    .command('backup')
    .description('keep a sealed way back in on the server, for when all devices are lost')
  addExamples(backup, 'backup create', 'backup create > recovery-code.txt', 'backup status', 'backup remove')
  backup
    .command('create')
    .description('make it, in the place of an older one; prints the recovery code')
    .option(
      '--passphrase',
      'seal it with a passphrase of yours (SECURE_CHAT_BACKUP_PASSPHRASE), not with a code'
    )
    .option('--passphrase-file <path>', 'the same, from the first line of a file')
    .action((sealing: BackupOptions) => inChat((chat) => create(io, options(), chat, sealing)))
  backup
    .command('status')
    .description('whether there is one')
    .option('--json', 'as one line of JSON')
    .action(({ json }: { json?: boolean }) =>
      inChat(async (chat) => {
        const status = await chat.backup.status()
        if (json === true) printJson(io, status)
        else print(io, status.exists ? 'There is a backup.' : 'There is no backup.')
      })
    )
  backup
    .command('remove')
    .description('remove it')
    .option('--yes', 'do not ask')
    .action(({ yes }: { yes?: boolean }) =>
      inChat(async (chat) => {
        await confirm(io, 'Remove the backup? Its recovery code is worth nothing then.', yes)
        await chat.backup.remove()
        printToStderr(io, 'The backup is removed.')
      })
    )
  addExamples(
    program
      .command('restore')
      .description('log in on this machine with the recovery code: it reads what your devices could read')
      .argument('<name>', 'username', username)
      .option(
        '--code-file <path>',
        'the code from the first line of a file (else SECURE_CHAT_RECOVERY_CODE, or asked for)'
      )
      .option('--passphrase', 'the backup was sealed with a passphrase (SECURE_CHAT_BACKUP_PASSPHRASE)')
      .option('--passphrase-file <path>', 'the same, from the first line of a file')
      .option('--device-name <name>', 'what to call this machine')
      .action((name: string, given: RestoreOptions) => restore(io, options(), name, given)),
    'restore alice',
    'restore alice --profile new --code-file recovery-code.txt'
  )
}

async function create(
  io: Io,
  options: GlobalOptions,
  chat: ChatClient,
  sealing: BackupOptions
): Promise<void> {
  const passphrase = usesPassphrase(sealing) ? await askPassphrase(io, sealing, true) : undefined
  if (passphrase !== undefined && passphrase === (await configuredPassword(io, options)))
    throw new UsageError(
      'That is the password of the account, which the server sees when you log in.',
      'Take another passphrase: it alone keeps the server from opening the backup.'
    )
  const { exists } = await chat.backup.status()
  printToStderr(io, 'Making keys …')
  const { recoveryCode } = await chat.backup.create(passphrase === undefined ? {} : { passphrase })
  if (exists)
    printToStderr(io, 'It takes the place of the earlier backup, whose code or passphrase opens nothing now.')
  if (recoveryCode === null) return printToStderr(io, 'The backup is made. Your passphrase opens it.')
  print(io, recoveryCode)
  printToStderr(
    io,
    'Write it down and keep it safe: it is shown only now, and whoever has it and your password is you.'
  )
}

async function restore(
  io: Io,
  options: GlobalOptions,
  username: string,
  given: RestoreOptions
): Promise<void> {
  await withClient(io, options, async (chat) => {
    const password = await readPassword(io, options, `Password of ${username}`)
    const key = usesPassphrase(given)
      ? { passphrase: await askPassphrase(io, given, false) }
      : { code: await askCode(io, given) }
    printToStderr(io, 'Making keys, and fetching what they open …')
    const named = given.deviceName === undefined ? {} : { deviceName: given.deviceName }
    const { fingerprint } = await chat.backup.restore({ username, password, ...named, ...key })
    await rememberServer(io, options)
    print(io, `You are ${username} again. This device's fingerprint is ${formatFingerprint(fingerprint)}.`)
  })
}

function usesPassphrase({ passphrase, passphraseFile }: BackupOptions): boolean {
  return passphrase === true || passphraseFile !== undefined
}

function askPassphrase(io: Io, { passphraseFile: file }: BackupOptions, isNew: boolean): Promise<string> {
  const variable = 'SECURE_CHAT_BACKUP_PASSPHRASE'
  return readSecret(io, {
    message: 'Passphrase of the backup',
    variable,
    file,
    fileOption: '--passphrase-file',
    isNew
  })
}

function askCode(io: Io, { codeFile: file }: RestoreOptions): Promise<string> {
  const variable = 'SECURE_CHAT_RECOVERY_CODE'
  return readSecret(io, { message: 'Recovery code', variable, file, fileOption: '--code-file' })
}
