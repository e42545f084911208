import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { FileStore } from '../../src/client/stores/file/store.js'
import { dieTogether } from './server-process.js'

/** The jobs that another process can do with a file store. It prints a line after each step. */
const jobs = {
  /** Count one up, `times` times; print each number that is safely stored. */
  count: async (store: FileStore, times: number) => {
    for (let n = 0; n < times; n++) {
      const number = await store.update(async (tx) => {
        const next = ((await tx.get<number>('number')) ?? 0) + 1
        tx.set('number', next)
        // Large enough that the file is rewritten again and again.
        tx.set('copy', { number: next, padding: String(next).padEnd(next % 50 === 0 ? 30_000 : 500, '.') })
        return next
      })
      print(number)
    }
  },
  /** Replace secrets, `times` times; print each that is gone. */
  replace: async (store: FileStore, times: number) => {
    for (let n = 0; n < times; n++) {
      const name = `key/${n % 10}`
      const before = await store.update(async (tx) => {
        const present = await tx.get<string>(name)
        tx.set(name, Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString('hex'))
        // Large enough that the file is rewritten again and again.
        tx.set('seen/padding', String(n).padEnd(3000, '.'))
        return present
      })
      if (before !== undefined) print(before)
    }
  },
  /** Hold the store for `ms` milliseconds. */
  hold: (store: FileStore, ms: number) =>
    store.update(async () => {
      print('holding')
      await sleep(ms)
    }),
  /** Store a value of `bytes` bytes. */
  fill: async (store: FileStore, bytes: number) => {
    await store.update((tx) => tx.set('small', 'x')).then(() => print('small'))
    await store
      .update((tx) => tx.set('large', 'x'.repeat(bytes)))
      .catch((error: unknown) => print(String(error)))
    await store.update((tx) => tx.set('after', 'x')).then(() => print('after'))
  }
} satisfies Record<string, (store: FileStore, number: number) => Promise<void>>

export interface StoreProcess {
  /** The next line; undefined at the end. */
  line: () => Promise<string | undefined>
  /** The lines that have not been taken, when the process has ended. */
  rest: () => Promise<string[]>
  signal: (signal: NodeJS.Signals) => void
  /** kill -9. @returns when it is gone */
  kill: () => Promise<void>
}

/**
 * @param limit in KiB: the largest file that the process may write. Beyond it a write fails, and the process
 *   goes on
 */
export function startStoreProcess(
  folder: string,
  job: keyof typeof jobs,
  number: number,
  limit?: number
): StoreProcess {
  const node = [process.execPath, fileURLToPath(import.meta.url), folder, job, String(number)]
  // Without what the test runner adds to every process: it writes files of its own.
  const shell = [
    'bash',
    '-c',
    `unset NODE_OPTIONS; trap '' XFSZ; ulimit -f ${limit}; exec "$@"`,
    'bash',
    ...node
  ]
  const [command = '', ...args] = limit === undefined ? node : shell
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  dieTogether(child)
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const line = async () => {
    const { value, done } = await lines.next()
    return done === true ? undefined : value
  }
  const rest = async () => {
    const found: string[] = []
    for (let next = await line(); next !== undefined; next = await line()) found.push(next)
    return found
  }
  const kill = async () => {
    const ended = once(child, 'exit')
    child.kill('SIGKILL')
    await ended
  }
  return { line, rest, signal: (signal) => child.kill(signal), kill }
}

function print(line: string | number): void {
  process.stdout.write(`${line}\n`)
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [folder = '', job = '', number = ''] = process.argv.slice(2)
  const store = await FileStore.open({ folder })
  await jobs[job as keyof typeof jobs](store, Number(number))
  await store.close()
}
