import type { Readable } from 'node:stream'
import { laidOut, type Output } from './output.js'
import { sanitizedJson } from './sanitize.js'

/** The parts of a process that a command uses. Tests pass their own. */
export interface Io {
  /** The arguments, without the program and the script. */
  argv: readonly string[]
  env: Readonly<Record<string, string | undefined>>
  stdin: Readable & { isTTY?: boolean }
  stdout: Output
  stderr: Output
  /** Aborts on SIGINT and SIGTERM, and when the reader of the output has gone. */
  signal: AbortSignal
}

/** Write a line of output. Text by others must be sanitized first. */
export function print(io: Io, line: string): void {
  io.stdout.write(laidOut(line, io.stdout, io))
}

/** Write a value as one line of JSON, for scripts. */
export function printJson(io: Io, value: unknown): void {
  io.stdout.write(jsonLine(value))
}

/**
 * Write a line, and wait until it is taken. Lines of an endless stream must not pile up here, and a message
 * that nobody has read must not count as read.
 *
 * @throws if the reader has gone
 */
export function printAndWait(io: Io, line: string): Promise<void> {
  return writeAndWait(io, laidOut(line, io.stdout, io))
}

/** The same with a value as one line of JSON. */
export function printJsonAndWait(io: Io, value: unknown): Promise<void> {
  return writeAndWait(io, jsonLine(value))
}

function writeAndWait({ stdout }: Io, text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    stdout.write(text, (error) => (error ? reject(error) : resolve()))
  })
}

/** It is never wrapped: scripts take it as it is. */
function jsonLine(value: unknown): string {
  return `${sanitizedJson(value)}\n`
}

/** Write a line that is not part of the output: progress, hints, warnings. */
export function printToStderr(io: Io, line: string): void {
  io.stderr.write(laidOut(line, io.stderr, io))
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
