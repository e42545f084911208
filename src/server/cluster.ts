import cluster, { type Worker } from 'node:cluster'
import type { Logger } from './logger.js'

/** Pause before a dead worker is replaced: one that always dies at once must not occupy the machine. */
const PAUSE_MS = 1000
/** A worker that takes longer to end is killed. */
const STOP_MS = 15_000

/**
 * Run this program in `count` processes that share one address, and replace those that die, until `signal`
 * aborts. The first one starts before the others and brings the database up to date. If it cannot start,
 * neither do they.
 *
 * @param onReady called when all processes listen
 * @returns the exit code, when all have ended
 */
export function superviseWorkers(
  count: number,
  logger: Logger,
  { signal: abort, onReady }: { signal: AbortSignal; onReady: (port: number) => void }
): Promise<number> {
  const workers = new Set<Worker>()
  const listening = new Set<Worker>()
  let isReady = false
  let isStopping = false
  let code = 0

  return new Promise((resolve) => {
    function stop(): void {
      isStopping = true
      if (workers.size === 0) resolve(code)
      for (const worker of workers) worker.process.kill('SIGTERM')
      setTimeout(() => {
        for (const worker of workers) worker.process.kill('SIGKILL')
      }, STOP_MS).unref()
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

    abort.addEventListener('abort', stop)
    start()
  })
}
