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

t.test('Tasks that are refused together come back one after the other, within a minute', async (t) => {
  const line = new Semaphore(1, 1)
  await line.run(() => sleep(500))
  let finish = () => {}
  const finished = new Promise<void>((resolve) => (finish = resolve))
  const tasks = [line.run(() => finished), line.run(() => finished)]
  const seconds: number[] = []
  for (let n = 0; n < 1000; n++) {
    const refusal: unknown = await line.run(() => finished).catch((error: unknown) => error)
    seconds.push((refusal as { retryAfter: number }).retryAfter)
  }
  const herds = new Map<number, number>()
  for (const second of seconds.slice(0, 100)) herds.set(second, (herds.get(second) ?? 0) + 1)
  t.ok(Math.max(...herds.values()) <= 3, 'two tasks of half a second have a second')
  t.ok(Math.max(...seconds) <= 62, `the last one comes after ${Math.max(...seconds)} s`)
  finish()
  await Promise.all(tasks)
})
