import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { setPriority } from 'node:os'
import { drizzle } from 'drizzle-orm/node-postgres'
import pg from 'pg'
import type { CurrentUser } from '../test/support/chain-requests.js'
import { found, show } from '../test/support/conversations.js'
import { crowd } from '../test/support/crowd.js'
import { signed, statementText } from '../test/support/interop/chains.js'
import type { InteropClient } from '../test/support/interop/client.js'
import { sha256Hex } from '../test/support/interop/crypto.js'
import { anotherDevice, user } from '../test/support/people.js'
import { dieTogether, type Scope } from '../test/support/server-process.js'
import { MESSAGE_BYTES, type ServerBench } from './bench.js'
import { startLoad } from './load-generator.js'
import type { Latency } from './load/fixed-rate.js'
import type { Work } from './load/neighbour.js'
import { median } from './load/percentile.js'
import { revocations } from './revocations.js'
import { residentBytes, startOurs } from './servers.js'

const MEMBERS = 1024
const LISTED = 40
const SENDERS = 8
const PER_SECOND = 500
/** The limits are those of a minute. The quiet minute of a round lets the account begin the next one with all of them. */
const MINUTES = { rounds: 2, ms: 60_000 }
/** Many short rounds: a virtual machine's host stops both of its cores now and then, for 12 to 25 ms, which spoils a round. */
const SHORT = { rounds: 15, ms: 3000 }
/** While a process is young, quiet rounds have a p99 of up to 33 ms; after these messages they had 8 ms at most. */
const WARM_UP = { perSecond: 2000, measureMs: 15_000 }
const MIB = 2 ** 20
/** Within the limits, but for those of the load generator, and of the network that all share here. */
const LIMITS = {
  RATE_LIMIT: 'on',
  RATE_LIMIT_SEND: '10000000',
  RATE_LIMIT_AUTH: '1000000',
  DEVICE_ADDS_PER_DAY: '30',
  CHAIN_REQUESTS_AT_ONCE: '100',
  PASSWORD_ITERATIONS: '600000',
  // Failed log-ins come from many networks.
  TRUST_PROXY: '127.0.0.1',
  REGISTRATION: 'open'
}

const LOGINS = '200 users log in at once'
const FAILED_LOGINS = '100 log-ins fail in a second, from many networks'

const BASELINES = {
  quiet: 'quiet',
  /** Not the server's work: it shows how much of what log-ins bring comes from cores that are shared. */
  program: 'while another program keeps one core busy'
}

/** The messages of others, at the same rate in each part. */
interface Round {
  quiet: Latency
  busy: Latency
  program?: Latency
  /** How often the server did what was asked, and did not refuse it. */
  done: number
}

/** Does something dear, again and again until the end. @returns how often the server did it */
type Load = (end: AbortSignal) => Promise<number>

/** What others feel while one account does what is dear, as fast as it may. */
export async function neighbours(bench: ServerBench): Promise<void> {
  const { owner, pg: postgres, load, quick, report } = bench
  let people = new Map<string, CurrentUser>()
  let databaseUrl = ''
  const prepare = async (url: string): Promise<void> => {
    databaseUrl = url
    const pool = new pg.Pool({ connectionString: databaseUrl })
    people = await crowd(drizzle(pool), MEMBERS - 1)
    // Now, and not when autovacuum comes: prepared statements keep the plans that they got before.
    await pool.query('vacuum analyze')
    await pool.end()
  }
  const range = (from: number, to: number) => Array.from({ length: to - from }, (_, n) => from + n)
  const groups = [
    ...range(0, SENDERS).map(() => range(0, SENDERS)),
    ...range(0, LISTED).map(() => range(SENDERS, SENDERS + MEMBERS))
  ]
  const population = { users: SENDERS + MEMBERS, groups }
  const target = await startOurs(owner, postgres, population, [], prepare, LIMITS)
  const { port, pid } = target
  const tokens = target.tokens.slice(0, SENDERS)
  const conversations = target.conversations.slice(0, SENDERS)
  const server = { url: `http://127.0.0.1:${port}` }
  const mallory = await user(owner, server, 'mallory', { connections: 256 })
  const usernames = [...people.keys()].slice(0, 200)
  await givePassword(databaseUrl, mallory.username, usernames)
  await load('openStreams', { port, tokens: [tokens[0]!] })
  const plan = { port, tokens, conversations, bytes: MESSAGE_BYTES, connections: 64, perSecond: PER_SECOND }
  const measure = (ms: number) =>
    load('fixedRate', { ...plan, readers: 1, warmUpMs: 500, measureMs: quick ? 1500 : ms })
  // A process of its own, with a small heap: this one holds a thousand users.
  const client = startLoad(owner)
  const of =
    (work: Work): Load =>
    async (end) => {
      await client('beginWork', work)
      await once(end, 'abort')
      return client('endWork', undefined)
    }
  const listed = { port, token: target.tokens[SENDERS]! }
  const paths = await pagesOf(listed)
  const account = { port, token: mallory.accessToken! }
  const additions = await wraps(owner, server, mallory)
  const loads: Record<string, Load> = {
    [`one account reads its list of ${LISTED} groups of ${MEMBERS}, four at a time`]: of({
      work: 'lists',
      plan: { ...listed, paths }
    }),
    'one account begins 120 bodies of 16 MiB': of({ work: 'unfinishedBodies', plan: account }),
    'one account replaces its backup of 1 MiB': of({ work: 'backups', plan: account }),
    'one account adds wraps for its 15 other devices': of({
      work: 'posts',
      plan: { ...account, ...additions }
    }),
    [LOGINS]: of({ work: 'logins', plan: { port, usernames, password: mallory.password } }),
    [FAILED_LOGINS]: of({ work: 'failedLogins', plan: { port } })
  }
  await (quick ? measure(0) : load('fixedRate', { ...plan, ...WARM_UP, readers: 1, warmUpMs: 500 }))
  for (const [name, work] of Object.entries(loads)) {
    const rounds: Round[] = []
    const before = residentBytes(pid)
    const { rounds: count, ms } = isHashing(name) ? SHORT : MINUTES
    const during = async (work: Load): Promise<{ latency: Latency; done: number }> => {
      const end = new AbortController()
      const working = work(end.signal)
      const latency = await measure(ms)
      end.abort()
      return { latency, done: await working }
    }
    for (let round = 0; round < (quick ? 1 : count); round++) {
      const quiet = await measure(ms)
      const { latency: busy, done } = await during(work)
      if (done === 0 && !quick) throw new Error(`nothing was done in a round in which ${name}`)
      const program = isHashing(name) ? (await during(otherProgram)).latency : undefined
      rounds.push({ quiet, busy, done, ...(program && { program }) })
    }
    const compare = (figure: 'p50' | 'p99', baseline: 'quiet' | 'program', atMost?: number): void => {
      const [value, other] = (['busy', baseline] as const).map((of) =>
        median(rounds.map((round) => round[of]![figure]))
      ) as [number, number]
      report({
        name: `POST → SSE ${figure} of others at ${PER_SECOND}/s while ${name} : ${BASELINES[baseline]}`,
        value,
        unit: 'ms',
        baseline: other,
        ratio: value / other,
        ...(atMost !== undefined && { target: { of: 'ratio', atMost } })
      })
    }
    const { p50, p99 } = targets(name)
    compare('p50', 'quiet', p50)
    compare('p99', 'quiet', p99)
    if (isHashing(name)) compare('p99', 'program')
    report({
      name: 'done in a round, and not refused',
      value: median(rounds.map(({ done }) => done)),
      unit: ''
    })
    report({ name: 'resident, more than before', value: (residentBytes(pid) - before) / MIB, unit: 'MiB' })
  }
  await load('closeStreams', undefined)
  await revocations(bench, server, people)
}

/** Log-ins take a core for the hash of a password. */
const isHashing = (load: string): boolean => load === LOGINS || load === FAILED_LOGINS

/** The most that others may feel, as a ratio to a quiet server. */
function targets(load: string): { p50: number; p99: number } {
  if (load === FAILED_LOGINS) return { p50: 1.1, p99: 2 }
  return load === LOGINS ? { p50: 1.2, p99: 2 } : { p50: 1.5, p99: 1.5 }
}

/** The paths of the pages of an account's list. */
async function pagesOf({ port, token }: { port: number; token: string }): Promise<string[]> {
  const paths = ['/v1/conversations?limit=200']
  for (;;) {
    const answer = await fetch(`http://127.0.0.1:${port}${paths.at(-1)!}`, {
      headers: { authorization: `Bearer ${token}` }
    })
    const { next } = (await answer.json()) as { next: string | null }
    if (next === null) return paths
    paths.push(`${paths[0]!}&cursor=${next}`)
  }
}

/** Requests that add wraps, one for each of 15 devices. */
async function wraps(
  owner: Scope,
  server: { url: string },
  by: InteropClient
): Promise<{ path: string; bodies: string[] }> {
  const id = await found(by, 'group')
  const { sessionKeyId, key } = await show(by, id)
  const devices: InteropClient[] = []
  for (let n = 0; n < 15; n++) devices.push(await anotherDevice(owner, server, by))
  const wrap = (reader: InteropClient) => {
    const wrapped = randomBytes(256)
    const text = statementText('wrap-added', [
      ['conversation', id],
      ['key', key],
      ['reader', reader.keys.signingFp],
      ['wrap', sha256Hex(wrapped)],
      ['by', by.keys.signingFp]
    ])
    const wrappedKey = wrapped.toString('base64')
    return { deviceId: reader.deviceId, wrappedKey, statement: signed(text, by.keys) }
  }
  const path = `/v1/conversations/${id}/session-keys/${sessionKeyId}/wraps`
  // Signed before: that takes as long as to verify it.
  const bodies = Array.from({ length: 100 }, () => JSON.stringify({ wraps: devices.map(wrap) }))
  return { path, bodies }
}

/** Takes what the hashes of passwords take: one core, at the priority of the threads that hash. */
async function otherProgram(end: AbortSignal): Promise<number> {
  const busy = spawn(process.execPath, ['--eval', 'for (;;);'], { stdio: 'ignore' })
  dieTogether(busy)
  setPriority(busy.pid!, 10)
  await once(end, 'abort')
  busy.kill('SIGKILL')
  await once(busy, 'exit')
  return 1
}

/** Let users log in with the password of another one. */
async function givePassword(databaseUrl: string, from: string, to: readonly string[]): Promise<void> {
  const client = new pg.Client({ connectionString: databaseUrl })
  await client.connect()
  await client.query(
    'update users set password_hash = (select password_hash from users where username = $1) where username = any ($2)',
    [from, to]
  )
  await client.end()
}
