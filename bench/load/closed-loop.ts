import { setTimeout as sleep } from 'node:timers/promises'
import { Connection } from './connection.js'
import { sendRequest, type Senders } from './requests.js'
import { percentile } from './percentile.js'

export interface ClosedLoop extends Senders {
  connections: number
  warmUpMs: number
  measureMs: number
}

export interface Throughput {
  /** Messages per second. */
  perSecond: number
  p50: number
  p99: number
  /** Share of one core that the generator itself used. */
  busy: number
}

/** Sends as fast as the server allows: each connection sends again when its last send is answered. */
export async function closedLoop(plan: ClosedLoop): Promise<Throughput> {
  let measuring = false
  let running = true
  let failure: Error | undefined
  const times: number[] = []
  const fail = (error: Error) => (failure ??= error)
  const open = Array.from({ length: plan.connections }, (_, n) => {
    const connection = new Connection(plan.port, fail)
    const request = sendRequest(plan, n)
    let since = 0
    const send = () => {
      request.renew()
      since = performance.now()
      connection.send(request.bytes)
    }
    connection.onResponse = (status, response) => {
      if (status !== request.status) fail(new Error(`a send was answered with ${response}`))
      if (measuring) times.push(performance.now() - since)
      if (running) send()
    }
    send()
    return connection
  })
  await sleep(plan.warmUpMs)
  const cpu = process.cpuUsage()
  const since = performance.now()
  measuring = true
  await sleep(plan.measureMs)
  measuring = false
  const elapsed = performance.now() - since
  const { user, system } = process.cpuUsage(cpu)
  running = false
  await sleep(50)
  for (const connection of open) connection.close()
  if (failure !== undefined) throw failure
  times.sort((a, b) => a - b)
  return {
    perSecond: ((times.length * (plan.batch ?? 1)) / elapsed) * 1000,
    p50: percentile(times, 0.5),
    p99: percentile(times, 0.99),
    busy: (user + system) / 1000 / elapsed
  }
}
