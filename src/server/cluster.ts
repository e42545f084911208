import cluster, { type Worker } from 'node:cluster'
import type { Logger } from './logger.js'

/** Before a worker that died is replaced: one that dies at once must not take the machine with it. */
const PAUSE_MS = 1000
/** A worker ends by itself in less; then it is killed. */
const PATIENCE_MS = 15_000

/**
 * Run this program in so many processes that share one address. Those that die are replaced, until it is enough.
 * The first starts alone: it brings the database up to date, and if it can't even start, that is the end.
 *
 * @param onReady called when all of them listen
 * @returns the exit code, when all have ended
 */
export function superviseWorkers(
  count: number,
  logger: Logger,
  { enough, onReady }: { enough: AbortSignal; onReady: (port: number) => void }
): Promise<number> {
  const workers = new Set<Worker>()
  const listening = new Set<Worker>()
  let [isReady, isStopping, code] = [false, false, 0]

  return new Promise((resolve) => {
    function stop(): void {
      isStopping = true
      if (workers.size === 0) resolve(code)
      for (const worker of workers) worker.process.kill('SIGTERM')
      setTimeout(() => {
        for (const worker of workers) worker.process.kill('SIGKILL')
      }, PATIENCE_MS).unref()
    }

    function start(): void {
      const worker = cluster.fork()
      workers.add(worker)
      worker.once('listening', ({ port }) => {
        listening.add(worker)
        while (!isStopping && workers.size < count) start()
        if (isReady || listening.size < count) return
        isReady = true
        onReady(port)
      })
      worker.once('exit', (exitCode, signal) => {
        workers.delete(worker)
        listening.delete(worker)
        if (isStopping) {
          code ||= exitCode
          if (workers.size === 0) resolve(code)
        } else if (listening.size === 0 && !isReady) {
          resolve(exitCode || 1)
        } else {
          logger.error({ pid: worker.process.pid, exitCode, signal }, 'a worker died; starting another')
          setTimeout(() => {
            if (!isStopping) start()
          }, PAUSE_MS)
        }
      })
    }

    enough.addEventListener('abort', stop)
    start()
  })
}
