import { setTimeout as sleep } from 'node:timers/promises'
import { generateKeys } from '../support/interop/crypto.js'
import { expect } from '../support/interop/http.js'
import type { EventStream } from '../support/interop/events.js'
import { findPostgres } from '../support/postgres.js'
import { startServer, type Scope, type ServerOptions } from '../support/server-process.js'
import { InteropClient } from '../support/interop/client.js'
import { withOwner } from '../support/with-owner.js'
import { mentions } from './scenarios/world.js'

/**
 * How many streams one server carries, run by hand:
 *   node build/test/acceptance/capacity.js [pglite] [postgres]
 * USERS, STREAMS (shared evenly among the users) and GROUP make it smaller.
 */
const seconds = (since: number): string => `${((performance.now() - since) / 1000).toFixed(2)} s`

async function inParallel<T, R>(
  things: readonly T[],
  width: number,
  work: (one: T, i: number) => Promise<R>
): Promise<R[]> {
  const results = new Array<R>(things.length)
  let next = 0
  const worker = async (): Promise<void> => {
    for (let i = next++; i < things.length; i = next++) results[i] = await work(things[i] as T, i)
  }
  await Promise.all(Array.from({ length: width }, worker))
  return results
}

async function measure(
  owner: Scope,
  title: string,
  options: ServerOptions,
  users: number,
  streams: number,
  group: number
): Promise<void> {
  const server = await startServer(owner, options)
  const report = (what: string): void => {
    process.stdout.write(`${title}: ${what}; server ${server.residentMiB ?? '?'} MiB\n`)
  }
  report('empty server')

  const names = Array.from({ length: users }, (_, i) => `user-${i}`)
  const keys = await inParallel(names, 4, () => generateKeys())
  let since = performance.now()
  const people = await inParallel(names, 8, (name, i) =>
    InteropClient.registered(server.url, name, { keys: keys[i]!, connections: 1 })
  )
  owner.teardown(() => people.forEach((one) => one.close()))
  report(`${users} users registered in ${seconds(since)}`)

  const [founder] = people
  if (founder === undefined) throw new Error('nobody')
  since = performance.now()
  const { id, answer } = await founder.createConversation('group', names.slice(1, group))
  expect(answer, 201)
  report(`a group of ${group} made in ${seconds(since)}`)

  since = performance.now()
  const readers = Array.from({ length: streams }, (_, i) => people[i % users]!)
  const open = await inParallel(readers, 100, (one) => one.live({ resume: false }))
  report(`${open.length} streams opened in ${seconds(since)}`)
  await sleep(2_000)
  report('two seconds later')

  for (const text of ['the first message', 'the second message']) {
    since = performance.now()
    const { body } = expect(await founder.send(id, text), 201)
    const arrived = (stream: EventStream): Promise<unknown> =>
      stream.waitFor((event) => event.event === 'message' && mentions(event, body.id), text)
    const members = open.filter((_, i) => i % users < group)
    await Promise.all(members.map(arrived))
    report(`${text} to ${members.length} streams in ${seconds(since)}`)
  }
  await sleep(500)
  const messages = open.map((stream) => stream.received.filter((event) => event.event === 'message').length)
  const right = messages.every((count, i) => count === (i % users < group ? 2 : 0))
  const broken = open.filter((stream) => stream.ended).length
  report(
    `each message ${right ? 'once to every member and to nobody else' : 'NOT delivered right'}, ${broken} streams broken`
  )
  const last = people[group - 1]
  const stream = open[group - 1]
  const event = stream?.received.findLast((one) => one.event === 'message')
  if (last !== undefined && event !== undefined) {
    const [message] = (await last.history(id)).slice(-1)
    report(
      message === undefined
        ? 'no history'
        : `the last member reads: ${String((await last.open(message)).text)}`
    )
  }
  if (!right || broken > 0) process.exitCode = 1
}

const wanted = process.argv.slice(2)
const runs = (name: string): boolean => wanted.length === 0 || wanted.includes(name)
const setting = (name: string, fallback: number): number => Number(process.env[name] ?? fallback)
const users = setting('USERS', 1_000)
const group = Math.min(users, setting('GROUP', 1_000))

if (runs('pglite')) {
  await withOwner((owner) => measure(owner, 'PGlite', {}, users, setting('STREAMS', 1_000), group))
}
if (runs('postgres')) {
  await withOwner(async (owner) => {
    const pg = await findPostgres(owner)
    if (typeof pg === 'string') throw new Error(pg)
    await measure(owner, 'PostgreSQL', { databaseUrl: pg.url }, users, setting('STREAMS', 5_000), group)
  })
}
