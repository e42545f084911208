import { readdirSync } from 'node:fs'
import type { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { findPostgres } from '../test/support/postgres.js'
import { withOwner } from '../test/support/with-owner.js'
import { MESSAGE_BYTES } from './bench.js'
import { openStream } from './load/connection.js'
import { median } from './load/percentile.js'
import { startLoad } from './load-generator.js'
import { residentBytes, startOurs, type Target } from './servers.js'

const SENDERS = 8
/** Enough for an hour of messages: each session key is good for 2^20. */
const CONVERSATIONS = 64
const GROUP = 10
/** Users whose streams come and go. */
const GUESTS = 500
/** Longest life of a guest's stream. */
const LONGEST_STAY_MS = 20_000
const CAPACITY = 0.7
const SLICE_MS = 30_000
/** Resident memory of the last quarter divided by that of the second. A leak exceeds it. */
const MOST_GROWTH = 1.1

/** npm run soak -- [minutes (30)]: steady use with streams that come and go, then a look for leaks. */
async function main([minutes = '30']: readonly string[]): Promise<void> {
  await withOwner(async (owner) => {
    const postgres = await findPostgres(owner)
    if (typeof postgres === 'string') throw new Error(postgres)
    const load = startLoad(owner)
    const senders = Array.from({ length: SENDERS }, (_, n) => n)
    const guests = Array.from({ length: GUESTS / GROUP }, (_, group) =>
      Array.from({ length: GROUP }, (_, n) => SENDERS + group * GROUP + n)
    )
    let databaseUrl = ''
    const target = await startOurs(
      owner,
      postgres,
      {
        users: SENDERS + GUESTS,
        groups: [...Array.from({ length: CONVERSATIONS }, () => senders), ...guests]
      },
      [],
      async (url) => {
        databaseUrl = url
      }
    )
    const plan = {
      port: target.port,
      tokens: target.tokens.slice(0, SENDERS),
      conversations: target.conversations.slice(0, CONVERSATIONS),
      bytes: MESSAGE_BYTES
    }
    await load('openStreams', { port: target.port, tokens: plan.tokens.slice(0, 1) })
    const handles = handlesOf(target.pid)
    const churn = new Churn(target)
    await sleep(LONGEST_STAY_MS)
    const peak = await load('closedLoop', { ...plan, connections: 256, warmUpMs: 1000, measureMs: 5000 })
    const perSecond = Math.round(peak.perSecond * CAPACITY)
    say(
      `${Math.round(peak.perSecond)} messages a second at most; ${perSecond} from now on, for ${minutes} min`
    )
    const resident: number[] = []
    for (const until = Date.now() + Number(minutes) * 60_000; Date.now() < until;) {
      const fixed = { ...plan, connections: 128, perSecond, readers: 1, warmUpMs: 0, measureMs: SLICE_MS }
      const { p50, p99 } = await load('fixedRate', fixed)
      resident.push(residentBytes(target.pid) / 2 ** 20)
      say(
        `${Math.round(resident.at(-1)!)} MiB, ${handlesOf(target.pid)} handles, ${churn.opened} streams so far; ` +
          `POST → SSE p50 ${p50.toFixed(1)} ms, p99 ${p99.toFixed(0)} ms`
      )
    }
    churn.stop()
    // Longer than another process needs to notice that a user went offline.
    await sleep(15_000)
    await check({
      memory: quarter(resident, 3) / quarter(resident, 1),
      handles: handlesOf(target.pid) - handles,
      online: await online(target),
      positions: await gaps(databaseUrl)
    })
    await load('closeStreams', undefined)
  })
}

/** Streams of guests. Each one ends after a random time and opens again. */
class Churn {
  opened = 0
  readonly #target: Target
  readonly #sockets = new Set<Socket>()
  #isStopped = false

  constructor(target: Target) {
    this.#target = target
    for (let guest = SENDERS; guest < SENDERS + GUESTS; guest++) void this.#visit(guest)
  }

  stop(): void {
    this.#isStopped = true
    for (const socket of this.#sockets) socket.destroy()
  }

  async #visit(guest: number): Promise<void> {
    const { port, tokens } = this.#target
    while (!this.#isStopped) {
      await sleep(Math.random() * LONGEST_STAY_MS)
      if (this.#isStopped) return
      const socket = openStream(port, tokens[guest]!, undefined, () => undefined)
      socket.on('error', () => undefined)
      this.#sockets.add(socket)
      this.opened++
      await sleep(Math.random() * LONGEST_STAY_MS)
      this.#sockets.delete(socket)
      socket.destroy()
    }
  }
}

async function check(found: { memory: number; handles: number; online: number; positions: number }) {
  const { memory, handles, online, positions } = found
  say(`memory, last quarter : second quarter ${memory.toFixed(2)} (≤ ${MOST_GROWTH})`)
  say(`handles that were not there before ${handles}; guests who still seem online ${online}`)
  say(`positions that are missing in the log ${positions}`)
  if (!(memory <= MOST_GROWTH) || handles > 5 || online > 0 || positions > 0)
    throw new Error('the server leaks')
}

async function online({ port, tokens }: Target): Promise<number> {
  let count = 0
  for (let group = 0; group < GUESTS / GROUP; group++) {
    const first = SENDERS + group * GROUP
    const names = Array.from({ length: GROUP }, (_, n) => `user=user-${first + n}`).join('&')
    const headers = { authorization: `Bearer ${tokens[first]}` }
    const response = await fetch(`http://127.0.0.1:${port}/v1/presence?${names}`, { headers })
    const { items } = (await response.json()) as { items: { online: boolean }[] }
    count += items.filter(({ online }) => online).length
  }
  return count
}

async function gaps(connectionString: string): Promise<number> {
  const client = new pg.Client({ connectionString })
  await client.connect()
  const { rows } = await client.query<{ gaps: string }>(
    'select max(position) - min(position) + 1 - count(*) as gaps from events'
  )
  await client.end()
  return Number(rows[0]!.gaps)
}

function quarter(values: readonly number[], n: number): number {
  return median(values.slice(Math.floor((values.length * n) / 4), Math.ceil((values.length * (n + 1)) / 4)))
}

function handlesOf(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length
}

function say(text: string): void {
  console.log(`${new Date().toISOString().slice(11, 19)}  ${text}`)
}

await main(process.argv.slice(2))
