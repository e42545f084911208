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
