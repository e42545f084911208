import { readFile } from 'node:fs/promises'
import { confirm as askConfirm, isCancel, password as askHidden } from '@clack/prompts'
import { UsageError } from './failure.js'
import type { Io } from './io.js'
import type { GlobalOptions } from './profile.js'

/** The account's password: from the environment, a file, or the person; never from the command line. */
export async function accountPassword(io: Io, options: GlobalOptions, message: string): Promise<string> {
  const given = io.env['SECURE_CHAT_PASSWORD']
  if (given) return given
  if (options.passwordFile !== undefined) return firstLine(options.passwordFile)
  return askSecret(io, message, 'Set SECURE_CHAT_PASSWORD, or name a file with --password-file.')
}

async function firstLine(path: string): Promise<string> {
  try {
    return (await readFile(path, 'utf8')).split(/\r?\n/, 1)[0]!
  } catch (error) {
    throw new UsageError(`The password file can't be read: ${(error as Error).message}`)
  }
}

/** Ask without showing what is typed. @throws {UsageError} with `otherwise` if there is no terminal to ask on */
export async function askSecret(io: Io, message: string, otherwise: string): Promise<string> {
  if (!isInteractive(io))
    throw new UsageError(`${message} can't be asked for: this is no terminal.`, otherwise)
  const answer = await askHidden({ message, input: io.stdin, output: io.stderr, signal: io.signal })
  if (isCancel(answer)) throw new UsageError('Cancelled.')
  return answer
}

/** Ask yes or no; where nobody can be asked, `--yes` has to have said it. */
export async function confirm(io: Io, message: string, yes: boolean | undefined): Promise<void> {
  if (yes === true) return
  if (!isInteractive(io)) throw new UsageError(`${message} Nobody can be asked here.`, 'Say --yes.')
  const answer = await askConfirm({
    ...{ message, initialValue: false },
    ...{ input: io.stdin, output: io.stderr, signal: io.signal }
  })
  if (isCancel(answer) || !answer) throw new UsageError('Cancelled.')
}

export function isInteractive(io: Io): boolean {
  return io.stdin.isTTY === true && io.stderr.isTTY === true
}
