import { readFile } from 'node:fs/promises'
import { confirm as askConfirm, isCancel, password as askHidden } from '@clack/prompts'
import { PASSWORD_LENGTH } from '../../protocol/accounts.js'
import { EXIT, ExitError, UsageError } from '../errors.js'
import { printToStderr, type Io } from './io.js'
import type { GlobalOptions } from '../profile.js'

/** Where a secret comes from: an environment variable, else a file, else the person; never the command line. */
export interface SecretSource {
  /** What it is called when it is asked for. */
  message: string
  variable: string
  file: string | undefined
  /** The option that names the file. */
  fileOption: string
  /** A new one is asked for twice. */
  isNew?: boolean
}

/** The account's password. */
export function readPassword(io: Io, options: GlobalOptions, message: string): Promise<string> {
  return readSecret(io, passwordSource(options, message))
}

/** The password of a new account. @throws {UsageError} if the server would not take it */
export async function readNewPassword(io: Io, options: GlobalOptions, message: string): Promise<string> {
  const password = await readSecret(io, { ...passwordSource(options, message), isNew: true })
  const { length } = [...password]
  if (length >= PASSWORD_LENGTH.min && length <= PASSWORD_LENGTH.max) return password
  const { min, max } = PASSWORD_LENGTH
  throw new UsageError(`A password has ${min} to ${max} characters, not ${length}.`)
}

/** The account's password if it need not be asked for. */
export async function configuredPassword(
  io: Io,
  { passwordFile }: GlobalOptions
): Promise<string | undefined> {
  return passwordFile === undefined ? io.env['SECURE_CHAT_PASSWORD'] : firstLine(passwordFile)
}

function passwordSource({ passwordFile: file }: GlobalOptions, message: string): SecretSource {
  return { message, variable: 'SECURE_CHAT_PASSWORD', file, fileOption: '--password-file' }
}

/** @throws {UsageError} if the secret is nowhere, and nobody can be asked */
export async function readSecret(io: Io, source: SecretSource): Promise<string> {
  const { message, variable, file, fileOption, isNew = false } = source
  if (file !== undefined) return firstLine(file)
  const given = io.env[variable]
  if (given) return given
  const asked = await promptSecret(io, message, `Set ${variable}, or name a file with ${fileOption}.`)
  if (isNew && (await promptSecret(io, 'The same once more', '')) !== asked)
    throw new UsageError('That was not the same twice.')
  return asked
}

async function firstLine(path: string): Promise<string> {
  let line: string
  try {
    line = (await readFile(path, 'utf8')).split(/\r?\n/, 1)[0]!
  } catch (error) {
    throw new UsageError(`The file with the secret can't be read: ${(error as Error).message}`)
  }
  if (line === '') throw new UsageError(`The first line of ${path} is empty.`)
  return line
}

/** Ask without showing what is typed. @throws {UsageError} with `otherwise` if there is no terminal to ask on */
export async function promptSecret(io: Io, message: string, otherwise: string): Promise<string> {
  if (!isInteractive(io))
    throw new UsageError(`${message}: nobody can be asked here, this is no terminal.`, otherwise)
  const answer = await askHidden({ message, input: io.stdin, output: io.stderr, signal: io.signal })
  return isCancel(answer) ? cancelled(io) : answer
}

/** Ask yes or no; where nobody can be asked, `--yes` has to have said it. */
export async function confirm(io: Io, message: string, yes: boolean | undefined): Promise<void> {
  if (yes === true) return
  if (!isInteractive(io)) throw new UsageError(`${message} Nobody can be asked here.`, 'Say --yes.')
  const answer = await askConfirm({
    ...{ message, initialValue: false },
    ...{ input: io.stdin, output: io.stderr, signal: io.signal }
  })
  if (isCancel(answer) || !answer) cancelled(io)
}

function cancelled(io: Io): never {
  printToStderr(io, 'Nothing was done.')
  throw new ExitError(EXIT.interrupted)
}

export function isInteractive(io: Io): boolean {
  return io.stdin.isTTY === true && io.stderr.isTTY === true
}
