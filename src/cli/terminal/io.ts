import type { Readable, Writable } from 'node:stream'
import { sanitizedJson } from './sanitize.js'

/** What a command may touch of the world: the process itself, or what a test puts in its place. */
export interface Io {
  /** Without the program and the script. */
  argv: readonly string[]
  env: Readonly<Record<string, string | undefined>>
  stdin: Readable & { isTTY?: boolean }
  stdout: Writable & { isTTY?: boolean; columns?: number }
  stderr: Writable & { isTTY?: boolean }
  /** Aborts when the person has had enough (SIGINT, SIGTERM), or nobody reads the output any more. */
  signal: AbortSignal
}

/** Write a line. Text that others wrote has to be sanitized first. */
export function print(io: Io, line: string): void {
  io.stdout.write(`${line}\n`)
}

/** One object a line, for scripts. */
export function printJson(io: Io, value: unknown): void {
  print(io, sanitizedJson(value))
}

/**
 * Write a line, and wait until it was taken: what comes without end must neither pile up here nor count as read when
 * it was not.
 *
 * @throws if nobody reads any more
 */
export async function printAndWait(io: Io, line: string): Promise<void> {
  await new Promise<void>((taken, failed) => {
    io.stdout.write(`${line}\n`, (error) => (error ? failed(error) : taken()))
  })
}

/** What is for the person and not part of the output: progress, hints, warnings. */
export function printToStderr(io: Io, line: string): void {
  io.stderr.write(`${line}\n`)
}

/** All of stdin as bytes. @throws {RangeError} if there are more than `limit` */
export async function readAll(stdin: Readable, limit: number): Promise<Buffer> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of stdin) {
    const bytes = typeof chunk === 'string' ? Buffer.from(chunk) : (chunk as Buffer)
    size += bytes.length
    if (size > limit) throw new RangeError(`more than ${limit} bytes`)
    chunks.push(bytes)
  }
  return Buffer.concat(chunks)
}
