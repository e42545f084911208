import { setTimeout as sleep } from 'node:timers/promises'
import { Connection } from './connection.js'
import { percentile } from './percentile.js'
import { sendRequest, type Senders } from './requests.js'
import type { Readers } from './readers.js'

/** Longest wait for a message to reach its readers after the last response. */
const DELIVERY_TIMEOUT_MS = 5000

export interface FixedRate extends Senders {
  connections: number
  perSecond: number
  warmUpMs: number
  measureMs: number
  /** Streams that get each message. */
  readers: number
}

/** Milliseconds, counted from the moment that a send was due. */
export interface Latency {
  /** Until the slowest reader of a message has it. */
  p50: number
  p99: number
  p999: number
  /** Until the sender has the response. */
  responseP50: number
  responseP99: number
  /** Delay of the generator itself. All other values include it. */
  lateP50: number
  lateP99: number
  /** From the first reader of a message to the last. */
  spread: number
}

/**
 * Sends at a fixed rate. A send that is due while all connections are busy waits, and its time counts from
 * the moment that it was due. So the result includes the delays that a stalled server causes.
 */
export async function fixedRate(plan: FixedRate, readers: Readers): Promise<Latency> {
  const reached: number[] = []
  const answered: number[] = []
  const late: number[] = []
  const spread: number[] = []
  const underWay = new Map<string, { due: number; left: number; first: number }>()
  const waiting: number[] = []
  const free: (() => void)[] = []
  let measureFrom = Infinity
  let lastResponse = performance.now()
  let failure: Error | undefined
  const fail = (error: Error) => (failure ??= error)
  const note = (times: number[], due: number, since = due) => {
    if (due >= measureFrom) times.push(performance.now() - since)
  }

  readers.onMessage = (id) => {
    const message = underWay.get(id)
    if (message === undefined) return
    if (message.left === plan.readers) message.first = performance.now()
    if (--message.left > 0) return
    underWay.delete(id)
    note(reached, message.due)
    note(spread, message.due, message.first)
  }
  const open = Array.from({ length: plan.connections }, (_, n) => {
    const connection = new Connection(plan.port, fail)
    const request = sendRequest(plan, n)
    let due = 0
    const send = () => {
      due = waiting.shift()!
      underWay.set(request.renew(), { due, left: plan.readers, first: 0 })
      connection.send(request.bytes)
      note(late, due)
    }
    connection.onResponse = (status, response) => {
      if (status !== 201) fail(new Error(`a send was answered with ${response}`))
      note(answered, due)
      lastResponse = performance.now()
      if (waiting.length > 0) send()
      else free.push(send)
    }
    free.push(send)
    return connection
  })

  await sleep(100)
  const start = performance.now() + 5
  measureFrom = start + plan.warmUpMs
  const count = Math.round(((plan.warmUpMs + plan.measureMs) * plan.perSecond) / 1000)
  for (let sent = 0; sent < count && failure === undefined; sent++) {
    // Node's timers have a resolution of one millisecond.
    const due = start + Math.floor((sent * 1000) / plan.perSecond)
    for (let left = due - performance.now(); left > 0; left = due - performance.now()) await sleep(left)
    waiting.push(due)
    free.shift()?.()
  }
  while (underWay.size > 0 && performance.now() - lastResponse < DELIVERY_TIMEOUT_MS) await sleep(20)
  for (const connection of open) connection.close()
  readers.onMessage = () => undefined
  readers.check()
  if (failure !== undefined) throw failure
  if (underWay.size > 0) throw new Error(`${underWay.size} messages never reached all of their readers`)
  for (const times of [reached, answered, late, spread]) times.sort((a, b) => a - b)
  return {
    p50: percentile(reached, 0.5),
    p99: percentile(reached, 0.99),
    p999: percentile(reached, 0.999),
    responseP50: percentile(answered, 0.5),
    responseP99: percentile(answered, 0.99),
    lateP50: percentile(late, 0.5),
    lateP99: percentile(late, 0.99),
    spread: percentile(spread, 0.5)
  }
}
