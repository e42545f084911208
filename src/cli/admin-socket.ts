import { existsSync } from 'node:fs'
import { request } from 'node:http'
import { basename, dirname, resolve } from 'node:path'
import { withSocketPath } from '../node/socket.js'
import { ChatError } from '../client/index.js'
import type { AdminRequest, AdminTransport } from '../client/node.js'
import { UsageError } from './errors.js'
import type { GlobalOptions } from './profile.js'
import { readAll, type Io } from './terminal/io.js'

/** An answer of the server is far smaller. */
const MAX_BYTES = 16 * 2 ** 20
const TIMEOUT_MS = 60_000

/**
 * The socket of a server on this machine: `--socket`, else `ADMIN_SOCKET`, else the usual one in `DATA_DIR` if it is
 * there and the command names neither a server nor a profile.
 *
 * @returns null if there is none
 */
export function socketPath(
  { env }: Pick<Io, 'env'>,
  { socket, url, profile }: GlobalOptions & { socket?: string }
): string | null {
  if (socket !== undefined) return resolve(socket)
  const isRemote = url !== undefined || profile !== undefined
  const given = env['ADMIN_SOCKET'] || undefined
  if (isRemote || given === 'off') return null
  if (given !== undefined) return resolve(given)
  const usual = resolve(env['DATA_DIR'] || './data', 'admin', 'admin.sock')
  return existsSync(usual) ? usual : null
}

/** The calls of the operator, who needs no account. */
export function overSocket(path: string, signal: AbortSignal): AdminTransport {
  return {
    call: (asked) =>
      withSocketPath(dirname(path), basename(path), async (socket) => {
        const { status, text } = await send(socket, asked, signal).catch((error: unknown) => {
          throw signal.aborted ? error : notReached(path, error as NodeJS.ErrnoException)
        })
        const body: unknown = text === '' ? null : parse(text, path)
        if (status >= 200 && status < 300) return body
        throw refusal(status, body)
      })
  }
}

function send(
  socketPath: string,
  { method, path, body }: AdminRequest,
  signal: AbortSignal
): Promise<{ status: number; text: string }> {
  const bytes = body === undefined ? undefined : JSON.stringify(body)
  const headers = {
    accept: 'application/json',
    ...(bytes !== undefined && { 'content-type': 'application/json' })
  }
  return new Promise((resolve, reject) => {
    const call = request({ socketPath, method, path, headers, signal, timeout: TIMEOUT_MS }, (response) => {
      readAll(response, MAX_BYTES).then(
        (all) => resolve({ status: response.statusCode!, text: all.toString('utf8') }),
        reject
      )
    })
    call.on('timeout', () => call.destroy(new Error('there was no answer in time')))
    call.on('error', reject).end(bytes)
  })
}

function parse(text: string, path: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new ChatError('untrusted', 'malformed-answer', `What answers at ${path} is not the server.`, {
      cause
    })
  }
}

function refusal(status: number, problem: unknown): ChatError {
  const { type, detail, errors } = (problem ?? {}) as Record<string, unknown>
  const code = /^\/problems\/([a-z-]+)$/.exec(String(type))?.[1] ?? 'internal-error'
  const parts = Array.isArray(errors) ? (errors as { path?: unknown; message?: unknown }[]) : []
  const hint = parts.map((part) => `${String(part.path)} ${String(part.message)}`).join('; ')
  const message = typeof detail === 'string' ? detail : `The server answered ${status}.`
  return new ChatError('refused', code, message, { status, ...(hint !== '' && { hint }) })
}

function notReached(path: string, { code, message }: NodeJS.ErrnoException): UsageError {
  if (code === 'EACCES')
    return new UsageError(
      `The socket ${path} is only for the user who runs the server.`,
      'Run the command as that user, or as root. Admins of the server can use --profile instead.'
    )
  return new UsageError(
    `No server answers at the socket ${path} (${code ?? message}).`,
    'Start the server, name its socket with --socket, or its folder with DATA_DIR. Admins can use --profile instead.'
  )
}
