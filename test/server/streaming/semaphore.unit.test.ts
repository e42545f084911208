import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { Semaphore } from '../../../src/server/streaming/semaphore.js'

t.test('A task that finds the line full comes back when those before it are done', async (t) => {
  const line = new Semaphore(2, 20)
  await line.run(() => sleep(200))
  let finish = () => {}
  const finished = new Promise<void>((resolve) => (finish = resolve))
  const tasks = Array.from({ length: 22 }, () => line.run(() => finished))
  const refusal = await line.run(() => finished).catch((error: unknown) => error)
  t.match(refusal, { code: 'overloaded' })
  const { retryAfter } = refusal as { retryAfter: number }
  t.ok(retryAfter >= 2 && retryAfter < 20, `twenty tasks of 0.2 s, two at a time: ${retryAfter} s`)
  finish()
  await Promise.all(tasks)
})

t.test('Tasks that are refused together come back apart, within the time of two lines', async (t) => {
  const line = new Semaphore(1, 20)
  await line.run(() => sleep(500))
  await line.run(() => Promise.reject(new Error('refused at once'))).catch(() => undefined)
  let finish = () => {}
  const finished = new Promise<void>((resolve) => (finish = resolve))
  const tasks = Array.from({ length: 21 }, () => line.run(() => finished))
  const seconds: number[] = []
  for (let n = 0; n < 1000; n++) {
    const refusal: unknown = await line.run(() => finished).catch((error: unknown) => error)
    seconds.push((refusal as { retryAfter: number }).retryAfter)
  }
  const herds = new Map<number, number>()
  for (const second of seconds) herds.set(second, (herds.get(second) ?? 0) + 1)
  t.ok(Math.max(...herds.values()) < 250, 'a thousand come over ten seconds')
  t.ok(Math.min(...seconds) >= 10 && Math.max(...seconds) <= 22, 'twenty tasks of half a second take ten')
  finish()
  await Promise.all(tasks)
})
