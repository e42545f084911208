import { Command, CommanderError } from 'commander'
import { VERSION } from '../protocol/version.js'
import { accountCommands } from './commands/account.js'
import { adminCommands } from './commands/admin/index.js'
import { backupCommands } from './commands/backup.js'
import { chatCommand } from './commands/chat.js'
import { completionCommand } from './commands/completion.js'
import { contactsCommands } from './commands/contacts.js'
import { conversationsCommands } from './commands/conversations.js'
import { devicesCommands } from './commands/devices.js'
import { doctorCommand } from './commands/doctor.js'
import { envelopeCommands } from './commands/envelopes.js'
import { groupCommands } from './commands/group.js'
import { historyCommand } from './commands/history.js'
import { inviteCommands } from './commands/invite.js'
import { ownAccountCommands } from './commands/own-account.js'
import { listenCommand } from './commands/listen.js'
import { resetPasswordCommand } from './commands/reset-password.js'
import { reportCommand } from './commands/report.js'
import { requestsCommands } from './commands/requests.js'
import { sendCommand } from './commands/send.js'
import { sessionsCommands } from './commands/sessions.js'
import { serveCommand } from './commands/serve.js'
import { EXIT, ExitError, exitCode, printError } from './errors.js'
import { helpCommand, inOwnWords } from './help.js'
import type { Io } from './terminal/io.js'
import { DEFAULT_URL, serverUrl, type GlobalOptions } from './profile.js'

type Process = Pick<NodeJS.Process, 'argv' | 'env' | 'stdin' | 'stdout' | 'stderr' | 'once' | 'off'>

/** Run the program as a process. @returns the exit code */
export async function run(process: Process): Promise<number> {
  const abort = new AbortController()
  const { argv, env, stdin, stdout, stderr } = process
  const stop = () => {
    abort.abort()
    stdin.destroy()
  }
  // Only once: a second signal ends the process at once.
  process.once('SIGINT', stop)
  process.once('SIGTERM', stop)
  // The reader of the output may stop reading, as `head` does.
  let broken: NodeJS.ErrnoException | undefined
  stdout.on('error', (error: NodeJS.ErrnoException) => {
    broken = error
    stop()
  })
  // Nobody reads the notes any more: the work goes on without them.
  stderr.on('error', () => undefined)
  try {
    const code = await runCommand({ argv: argv.slice(2), env, stdin, stdout, stderr, signal: abort.signal })
    const unwritten = broken ?? (await flush(stdout))
    if (!unwritten || unwritten.code === 'EPIPE') return code
    stderr.write(`secure-chat: The output can't be written: ${unwritten.message}\n`)
    return EXIT.refused
  } finally {
    process.off('SIGINT', stop)
    process.off('SIGTERM', stop)
    stdin.destroy()
  }
}

/** Wait until all output is written. @returns the error if it was not */
function flush(stdout: NodeJS.WritableStream): Promise<NodeJS.ErrnoException | null | undefined> {
  return new Promise((flushed) => stdout.write('', flushed))
}

/** Run one command line. @returns the exit code */
export async function runCommand(io: Io): Promise<number> {
  const program = makeProgram(io)
  try {
    await program.parseAsync(io.argv, { from: 'user' })
    return EXIT.ok
  } catch (error) {
    // Commander has printed its message or the help already.
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage
    if (error instanceof ExitError) return error.code
    if (io.signal.aborted) return io.stdout.writable ? EXIT.interrupted : EXIT.ok
    const options = program.opts<GlobalOptions>()
    const url = await serverUrl(io, options).catch(() => DEFAULT_URL)
    printError(io, error, { url, verbose: options.verbose === true })
    return exitCode(error)
  }
}

/** The program with all its commands. Shell completion is generated from it. */
export function makeProgram(io: Io): Command {
  const program = new Command('secure-chat')
    .description('End-to-end encrypted chat: the server cannot read a message.')
    .version(VERSION)
    .option(
      '--url <url>',
      `the server (SECURE_CHAT_URL; default: that of the last log-in, or ${DEFAULT_URL})`
    )
    .option('--profile <name>', 'the account on this machine to use (SECURE_CHAT_PROFILE)')
    .option('--password-file <path>', 'read the password from the first line of this file')
    .option(
      '--keys-passphrase-file <path>',
      'read the passphrase of the keys on this machine from the first line of this file'
    )
    .option('--verbose', 'show the cause of an error')
    .showHelpAfterError('(add --help for examples)')
    .showSuggestionAfterError()
    .configureOutput({
      writeOut: (text) => io.stdout.write(text),
      writeErr: (text) => io.stderr.write(text),
      outputError: (text, write) => write(inOwnWords(text))
    })
    .exitOverride()
  program.commandsGroup('Your account:')
  accountCommands(program, io)
  resetPasswordCommand(program, io)
  ownAccountCommands(program, io)
  program.commandsGroup('Messages:')
  sendCommand(program, io)
  listenCommand(program, io)
  historyCommand(program, io)
  chatCommand(program, io)
  reportCommand(program, io)
  program.commandsGroup('Conversations and people:')
  conversationsCommands(program, io)
  groupCommands(program, io)
  contactsCommands(program, io)
  inviteCommands(program, io)
  requestsCommands(program, io)
  program.commandsGroup('Your devices and backups:')
  devicesCommands(program, io)
  sessionsCommands(program, io)
  backupCommands(program, io)
  program.commandsGroup('For scripts and operators:')
  envelopeCommands(program, io)
  doctorCommand(program, io)
  serveCommand(program, io)
  adminCommands(program, io)
  completionCommand(program, io)
  helpCommand(program)
  return program
}
