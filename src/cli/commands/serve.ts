import { fork, type ChildProcess } from 'node:child_process'
import { constants } from 'node:os'
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { InvalidArgumentError, type Command } from 'commander'
import { EXIT, ExitError } from '../errors.js'
import { addExamples } from '../help.js'
import type { Io } from '../terminal/io.js'

interface Options {
  port?: string
  host?: string
  dataDir?: string
}

/** `serve`: runs the server in a process of its own, which ends with this one. */
export function serveCommand(program: Command, io: Io): void {
  addExamples(
    program
      .command('serve')
      .description('start a server; environment variables hold its settings (docs/operations.md)')
      .option('--port <number>', 'port to listen on, 0 for any free one (SERVER_PORT; default: 3000)', port)
      .option('--host <address>', 'address to listen on (SERVER_HOST; default: 127.0.0.1)')
      .option('--data-dir <folder>', 'folder for its data (DATA_DIR; default: ./data)')
      .action(async (options: Options) => {
        // The server is a separate program in this package. This one loads nothing of it.
        const main = fileURLToPath(import.meta.resolve('#server'))
        const server = fork(main, [], { env: { ...io.env, ...settings(options) } })
        const stop = () => server.kill('SIGTERM')
        io.signal.addEventListener('abort', stop)
        const code = await exitOf(server).finally(() => io.signal.removeEventListener('abort', stop))
        if (code !== EXIT.ok) throw new ExitError(code)
      }),
    'serve',
    'serve --port 8080 --data-dir /var/lib/secure-chat',
    'DATABASE_URL=postgres://chat@db/chat secure-chat serve --host 0.0.0.0'
  )
}

/** The options as environment variables of the server. */
function settings({ port, host, dataDir }: Options): Record<string, string> {
  return {
    ...(port !== undefined && { SERVER_PORT: port }),
    ...(host !== undefined && { SERVER_HOST: host }),
    ...(dataDir !== undefined && { DATA_DIR: resolve(dataDir) })
  }
}

/** The server's exit code. After a signal it is the code that shells use: 128 and the signal's number. */
function exitOf(server: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.once('exit', (code, signal) => resolve(code ?? 128 + constants.signals[signal!]))
  })
}

function port(text: string): string {
  if (/^\d{1,5}$/.test(text) && Number(text) <= 65_535) return text
  throw new InvalidArgumentError('It must be a number from 0 to 65535.')
}
