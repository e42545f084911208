import type { Command } from 'commander'
import type { ChatClient, DeviceInfo, Restored } from '../../client/index.js'
import { username } from '../parsers.js'
import { describeBackup, MAKE_BACKUP } from '../backup-status.js'
import { UsageError } from '../errors.js'
import { addExamples } from '../help.js'
import { printToStderr, print, printJson, type Io } from '../terminal/io.js'
import type { GlobalOptions } from '../profile.js'
import { chooseReplaced } from '../replaced-devices.js'
import { confirm, configuredPassword, readSecret } from '../terminal/prompt.js'
import { accountPassword, rememberServer, withClient, withChat } from '../with-chat.js'

interface BackupOptions {
  passphrase?: boolean
  passphraseFile?: string
}

interface RestoreOptions extends BackupOptions {
  codeFile?: string
  newPassphrase?: boolean
  newPassphraseFile?: string
  deviceName?: string
  replace?: string[]
}

/** `backup …` and `restore`: an encrypted backup, for the loss of all devices. */
export function backupCommands(program: Command, io: Io): void {
  const options = () => program.opts<GlobalOptions>()
  const inChat = (work: (chat: ChatClient) => Promise<void>) => withChat(io, options(), work)
  const backup = program
    .command('backup')
    .description('keep an encrypted backup on the server, for the loss of all devices')
  addExamples(backup, 'backup create', 'backup create > recovery-code.txt', 'backup status', 'backup remove')
  backup
    .command('create')
    .description('create a backup that replaces an older one; prints the recovery code')
    .option(
      '--passphrase',
      'encrypt it with your own passphrase (SECURE_CHAT_BACKUP_PASSPHRASE) instead of a code'
    )
    .option('--passphrase-file <path>', 'read the passphrase from the first line of this file')
    .action((sealing: BackupOptions) => inChat((chat) => create(io, options(), chat, sealing)))
  backup
    .command('status')
    .description('show whether there is a backup that restores your account')
    .option('--json', 'print one line of JSON')
    .action(({ json }: { json?: boolean }) =>
      inChat(async (chat) => {
        const status = await chat.backup.status()
        if (json === true) printJson(io, status)
        else print(io, describeBackup(status))
        if (!status.usable && json !== true) printToStderr(io, MAKE_BACKUP)
      })
    )
  backup
    .command('remove')
    .description('remove the backup')
    .option('--yes', 'do not ask')
    .action(({ yes }: { yes?: boolean }) =>
      inChat(async (chat) => {
        await confirm(io, 'Remove the backup? Nothing restores your messages then.', yes)
        await chat.backup.remove()
        printToStderr(io, 'The backup is removed. Its code or passphrase opens nothing that comes later.')
      })
    )
  addExamples(
    program
      .command('restore')
      .summary('log in on this machine with the recovery code, and read what your devices could read')
      .description(
        'Log in on this machine with the recovery code, and read what your devices could read. A new backup is made: ' +
          'prints the new recovery code, because the old code or passphrase opens nothing that comes later.'
      )
      .argument('<name>', 'username', username)
      .option(
        '--code-file <path>',
        'read the code from the first line of this file (default: SECURE_CHAT_RECOVERY_CODE, or a prompt)'
      )
      .option('--passphrase', 'the backup has a passphrase (SECURE_CHAT_BACKUP_PASSPHRASE)')
      .option('--passphrase-file <path>', 'read the passphrase from the first line of this file')
      .option(
        '--new-passphrase',
        'encrypt the new backup with another passphrase (SECURE_CHAT_NEW_BACKUP_PASSPHRASE) instead of a code'
      )
      .option('--new-passphrase-file <path>', 'read the new passphrase from the first line of this file')
      .option('--device-name <name>', 'name of this machine')
      .option('--replace <devices...>', 'revoke these devices, by name or id: this machine takes their place')
      .action((name: string, given: RestoreOptions) => restore(io, options(), name, given)),
    'restore alice',
    'restore alice --passphrase --new-passphrase',
    'restore alice --profile new --code-file recovery-code.txt > new-recovery-code.txt',
    'restore alice --device-name ci --replace ci'
  )
}

async function create(
  io: Io,
  options: GlobalOptions,
  chat: ChatClient,
  sealing: BackupOptions
): Promise<void> {
  const before = await chat.backup.status()
  const passphrase = usesPassphrase(sealing) ? await askPassphrase(io, sealing, true) : undefined
  if (passphrase !== undefined) requireOther(passphrase, await configuredPassword(io, options))
  printToStderr(io, 'Generating keys …')
  const { recoveryCode } = await chat.backup.create(passphrase === undefined ? {} : { passphrase })
  if (before.usable)
    printToStderr(
      io,
      'It replaces the earlier backup, whose code or passphrase opens nothing that comes later.'
    )
  showCode(io, recoveryCode)
}

function requireOther(passphrase: string, password: string | undefined): void {
  if (passphrase !== password) return
  throw new UsageError(
    'The passphrase is the password of the account, which the server sees when you log in.',
    'Choose another passphrase: nothing else keeps the server from opening the backup.'
  )
}

function showCode(io: Io, recoveryCode: string | null): void {
  if (recoveryCode === null)
    return printToStderr(io, 'The backup is on the server. Your passphrase opens it.')
  print(io, recoveryCode)
  printToStderr(
    io,
    'Write it down and keep it safe. It is shown only once, and with your password it gives access to everything.'
  )
}

async function restore(
  io: Io,
  options: GlobalOptions,
  username: string,
  given: RestoreOptions
): Promise<void> {
  await withClient(io, options, async (chat) => {
    requireRoom(chat)
    const password = await accountPassword(io, options, chat, username)
    const ask = async () => {
      const key = usesPassphrase(given)
        ? { passphrase: await askPassphrase(io, given, false) }
        : { code: await askCode(io, given) }
      const newPassphrase = await askNewPassphrase(io, given)
      if (newPassphrase !== undefined) requireOther(newPassphrase, password)
      printToStderr(io, 'Generating keys and restoring the backup …')
      return newPassphrase === undefined ? key : { ...key, newPassphrase }
    }
    const named = given.deviceName === undefined ? {} : { deviceName: given.deviceName }
    const replace = (active: readonly DeviceInfo[]) => chooseReplaced(io, chat, active, given.replace ?? [])
    const wasActive = chat.account?.status === 'active'
    let restored: Restored | undefined
    try {
      restored = await chat.restore({ username, password, ...named, ask, replace })
    } finally {
      // The new backup comes last, and may fail after all else has gone well.
      if (!wasActive && chat.account?.status === 'active') {
        await rememberServer(io, options)
        printToStderr(io, `You are ${username} again.`)
        if (restored === undefined)
          printToStderr(io, 'But there is no new backup yet. Make one: secure-chat backup create')
      }
    }
    if (restored.unopenedKeys > 0)
      printToStderr(
        io,
        `Some messages can’t be read: ${restored.unopenedKeys} of the keys were wrong in the backup, or are kept back.`
      )
    if (restored.recoveryCode !== null)
      printToStderr(
        io,
        'This is your new recovery code. The old code or passphrase opens nothing that comes later.'
      )
    showCode(io, restored.recoveryCode)
  })
}

/** The SDK would refuse only after the password was typed. @throws {UsageError} if there is a device already */
function requireRoom({ account }: ChatClient): void {
  if (account?.status === 'active')
    throw new UsageError(
      'This profile holds a device already.',
      'Restore into another profile: --profile NAME'
    )
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

async function askNewPassphrase(
  io: Io,
  { newPassphrase, newPassphraseFile: file }: RestoreOptions
): Promise<string | undefined> {
  if (newPassphrase !== true && file === undefined) return undefined
  return readSecret(io, {
    message: 'Passphrase of the new backup',
    variable: 'SECURE_CHAT_NEW_BACKUP_PASSPHRASE',
    file,
    fileOption: '--new-passphrase-file',
    isNew: true
  })
}

function askCode(io: Io, { codeFile: file }: RestoreOptions): Promise<string> {
  const variable = 'SECURE_CHAT_RECOVERY_CODE'
  return readSecret(io, { message: 'Recovery code', variable, file, fileOption: '--code-file' })
}
