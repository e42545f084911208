import { Agent, request } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'

const PAUSE_MS = 5

/** Milliseconds of the slowest of small requests, which are sent one after the other until the end. */
export async function longestWait(port: number, end: AbortSignal): Promise<number> {
  const agent = new Agent({ keepAlive: true })
  let longest = 0
  while (!end.aborted) {
    const since = performance.now()
    await new Promise<void>((resolve, reject) => {
      const sent = request({ port, host: '127.0.0.1', path: '/healthz', agent }, (response) => {
        response.resume().on('end', resolve)
      })
      sent.on('error', reject).end()
    })
    longest = Math.max(longest, performance.now() - since)
    await sleep(PAUSE_MS)
  }
  agent.destroy()
  return longest
}
