import { readFile } from 'node:fs/promises'
import {
  confirm as askConfirm,
  isCancel,
  password as askHidden,
  select,
  text as askText
} from '@clack/prompts'
import { ChatError } from '../../client/index.js'
import { PASSWORD_LENGTH } from '../../protocol/accounts.js'
import { EXIT, ExitError, UsageError } from '../errors.js'
import { printToStderr, type Io } from './io.js'
import { columnsOf, withoutAutoWrap } from './output.js'
import { sanitizeLines } from './sanitize.js'
import { truncate, wrap } from './wrap.js'
import type { GlobalOptions } from '../profile.js'

/** The cells that a prompt's frame takes. */
const FRAME = 3

/** Where a secret comes from: a file, else an environment variable, else a prompt; never the command line. */
export interface SecretSource {
  /** The name of the secret in the prompt. */
  message: string
  variable: string
  file: string | undefined
  /** The option that names the file. */
  fileOption: string
  /** The prompt asks for a new secret twice. */
  isNew?: boolean
  /** What is wrong with a secret: the prompt says it, and asks again. */
  fault?: (secret: string) => string | undefined
}

/** The account's password. */
export function readPassword(io: Io, options: GlobalOptions, message: string): Promise<string> {
  return readSecret(io, passwordSource(options, message))
}

/** Use the password of a new account, as `withNewPassword` does. */
export function withFirstPassword<T>(
  io: Io,
  options: GlobalOptions,
  message: string,
  use: (password: string) => Promise<T>
): Promise<T> {
  return withNewPassword(io, passwordSource(options, message), use)
}

/**
 * Use a password to come. A person who has typed one that is easy to guess is asked again.
 *
 * @throws {UsageError} if the server would not accept its length
 */
export async function withNewPassword<T>(
  io: Io,
  given: SecretSource,
  use: (password: string) => Promise<T>
): Promise<T> {
  const message = `${given.message}, of ${PASSWORD_LENGTH.min} characters or more`
  const source = { ...given, message, isNew: true, fault: faultOfPassword }
  const isTyped = !isGiven(io, given)
  for (;;) {
    const password = await readSecret(io, source)
    const fault = faultOfPassword(password)
    if (fault !== undefined) throw new UsageError(fault)
    try {
      return await use(password)
    } catch (error) {
      if (!isTyped || !(error instanceof ChatError) || error.code !== 'weak-password') throw error
      printToStderr(io, sanitizeLines(error.message))
    }
  }
}

function faultOfPassword(password: string): string | undefined {
  const { min, max } = PASSWORD_LENGTH
  const { length } = [...password]
  return length >= min && length <= max
    ? undefined
    : `A password has ${min} to ${max} characters, not ${length}.`
}

/** The account's password, if an option or the environment gives it. */
export async function configuredPassword(
  io: Io,
  { passwordFile }: GlobalOptions
): Promise<string | undefined> {
  return passwordFile === undefined ? givenSecret(io, 'SECURE_CHAT_PASSWORD') : firstLine(passwordFile)
}

function passwordSource({ passwordFile: file }: GlobalOptions, message: string): SecretSource {
  return { message, variable: 'SECURE_CHAT_PASSWORD', file, fileOption: '--password-file' }
}

/** @throws {UsageError} if there is no secret, and no terminal to ask on */
export async function readSecret(io: Io, source: SecretSource): Promise<string> {
  const { message, variable, file, fileOption, isNew = false, fault } = source
  if (file !== undefined) return firstLine(file)
  const given = givenSecret(io, variable)
  if (given !== undefined) return given
  const otherwise = `Set ${variable}, or name a file with ${fileOption}.`
  const asked = await promptSecret(io, message, otherwise, fault)
  if (isNew && (await promptSecret(io, 'Enter it again', '')) !== asked)
    throw new UsageError('The two entries are not equal.')
  return asked
}

/** Whether an option or the environment gives the secret, so that nobody is asked. */
export function isGiven(io: Io, { file, variable }: Pick<SecretSource, 'file' | 'variable'>): boolean {
  return file !== undefined || givenSecret(io, variable) !== undefined
}

/**
 * A secret from the environment, without the line break and the byte order mark that programs and editors put around
 * it. An empty one counts as not set.
 */
export function givenSecret({ env }: Io, variable: string): string | undefined {
  return env[variable]?.replace(/^\uFEFF/, '').replace(/\r?\n$/, '') || undefined
}

async function firstLine(path: string): Promise<string> {
  let line: string
  try {
    line = (await readFile(path, 'utf8')).replace(/^\uFEFF/, '').split(/\r?\n/, 1)[0]!
  } catch (error) {
    throw new UsageError(`The file with the secret can't be read: ${(error as Error).message}`)
  }
  if (line === '') throw new UsageError(`The first line of ${path} is empty.`)
  return line
}

/** Ask without showing the input. @throws {UsageError} with the hint `otherwise` if there is no terminal */
export async function promptSecret(
  io: Io,
  message: string,
  otherwise: string,
  fault: SecretSource['fault'] = () => undefined
): Promise<string> {
  if (!isInteractive(io)) throw new UsageError(`${message}: there is no terminal to ask on.`, otherwise)
  const validate = (secret = '') => fault(secret)
  return ask(io, (streams) => askHidden({ message, validate, clearOnError: true, ...streams }))
}

/** Ask for a yes: anything else ends the command. Without a terminal, `--yes` is required. */
export async function confirm(io: Io, message: string, yes: boolean | undefined): Promise<void> {
  if (yes === true) return
  if (!isInteractive(io))
    throw new UsageError(`${message} There is no terminal to ask on.`, 'Confirm with --yes.')
  if (!(await agree(io, message))) cancelled(io)
}

/** Ask for a name to be typed: anything else ends the command. Without a terminal, `--yes` is required. */
export async function confirmName(
  io: Io,
  message: string,
  name: string,
  yes: boolean | undefined
): Promise<void> {
  if (yes === true) return
  if (!isInteractive(io))
    throw new UsageError(`${message} There is no terminal to ask on.`, 'Confirm with --yes.')
  const question = wrap(`${message} Type ${name} to go on.`, columnsOf(io.stderr) - FRAME).join('\n')
  const typed = await ask(io, (streams) => askText({ message: question, ...streams }))
  if (typed?.trim() !== name) cancelled(io)
}

/** Ask yes or no, on a terminal. @throws the signal's reason when it takes the question back */
export function agree(io: Io, message: string, signal?: AbortSignal): Promise<boolean> {
  // The prompt's own count of cells is that of some terminals only.
  const rows = wrap(message, columnsOf(io.stderr) - FRAME).join('\n')
  return ask(io, (streams) => askConfirm({ message: rows, initialValue: false, ...streams }), signal)
}

/** Ask for one of several. The labels and hints must be sanitized already. @returns its index */
export function choose(
  io: Io,
  message: string,
  choices: readonly { label: string; hint: string }[]
): Promise<number> {
  const room = columnsOf(io.stderr) - FRAME
  const options = choices.map(({ label, hint }, value) => {
    return { value, label: truncate(label, Math.max(room - `○  (${hint})`.length, 8)), hint }
  })
  return ask(io, (streams) => select({ message, options, ...streams }))
}

type Streams = { input: Io['stdin']; output: Io['stderr']; signal: AbortSignal }

async function ask<T>(
  io: Io,
  question: (streams: Streams) => Promise<T>,
  until?: AbortSignal
): Promise<Exclude<T, symbol>> {
  const { stdin: input, stderr: output } = io
  const signal = until === undefined ? io.signal : AbortSignal.any([io.signal, until])
  const answer = await withoutAutoWrap(output, io, () => question({ input, output, signal }))
  if (!isCancel(answer)) return answer as Exclude<T, symbol>
  until?.throwIfAborted()
  return cancelled(io)
}

function cancelled(io: Io): never {
  printToStderr(io, 'Nothing was done.')
  throw new ExitError(EXIT.interrupted)
}

export function isInteractive(io: Io): boolean {
  return io.stdin.isTTY === true && io.stderr.isTTY === true
}
