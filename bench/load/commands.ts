import { closedLoop, type ClosedLoop } from './closed-loop.js'
import { fixedRate, type FixedRate } from './fixed-rate.js'
import { works, type Work } from './neighbour.js'
import { Readers } from './readers.js'

interface CatchUp {
  port: number
  tokens: string[]
  after: string
  atOnce: number
  messages: number
}

const readers = new Readers()
let working: { end: AbortController; done: Promise<number> } | undefined

/** The commands of the load generator. Plans and results are plain data: they cross a process boundary. */
export const commands = {
  closedLoop: (plan: ClosedLoop) => closedLoop(plan),
  fixedRate: (plan: FixedRate) => fixedRate(plan, readers),
  openStreams: ({ port, tokens, atOnce = 64 }: { port: number; tokens: string[]; atOnce?: number }) =>
    readers.open(port, tokens, atOnce),
  /**
   * Milliseconds from the first connection until `messages` messages have come to the streams, which begin at
   * a cursor.
   */
  async catchUp({ port, tokens, after, atOnce, messages }: CatchUp) {
    let left = messages
    const since = performance.now()
    const done = new Promise<number>((resolve) => {
      readers.onMessage = () => {
        if (--left === 0) resolve(performance.now() - since)
      }
    })
    await readers.open(port, tokens, atOnce, after)
    const milliseconds = await done
    readers.check()
    readers.close()
    readers.onMessage = () => undefined
    return { milliseconds }
  },
  /** Goes on until `endWork`. */
  async beginWork({ work, plan }: Work) {
    const end = new AbortController()
    const done = works[work](plan as never, end.signal)
    done.catch(() => undefined)
    working = { end, done }
  },
  /** @returns how often the server did not refuse it. @throws {Error} if the work has failed */
  endWork() {
    working!.end.abort()
    return working!.done
  },
  async closeStreams() {
    readers.check()
    readers.close()
  },
  /** `closedLoop` with open streams. `deliveries` counts messages per second that reached a stream. */
  async fanOut(plan: ClosedLoop) {
    let deliveries = 0
    readers.onMessage = () => deliveries++
    const since = performance.now()
    const { perSecond, busy } = await closedLoop(plan)
    const elapsed = performance.now() - since
    readers.check()
    return { deliveries: (deliveries / elapsed) * 1000, perSecond, busy }
  }
}

export type Commands = typeof commands
