import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { Agent, get, request, type IncomingMessage } from 'node:http'
import { connect } from 'node:net'
import { setPriority } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { drizzle } from 'drizzle-orm/node-postgres'
import pg from 'pg'
import * as schema from '../src/server/db/schema.js'
import { cheapKeys } from '../test/support/bad-input.js'
import { creation, currentUser, type CurrentUser } from '../test/support/chain-requests.js'
import { found, post, show } from '../test/support/conversations.js'
import { crowd } from '../test/support/crowd.js'
import { signed, statementText } from '../test/support/interop/chains.js'
import { InteropClient } from '../test/support/interop/client.js'
import { sha256Hex } from '../test/support/interop/crypto.js'
import { expect } from '../test/support/interop/http.js'
import { user } from '../test/support/people.js'
import { dieTogether, type Scope } from '../test/support/server-process.js'
import { MESSAGE_BYTES, type ServerBench } from './bench.js'
import type { Latency } from './load/fixed-rate.js'
import { median } from './load/percentile.js'
import { retryTime } from './retry-time.js'
import { residentBytes, startOurs } from './servers.js'

const MEMBERS = 1024
const LISTED = 40
const SENDERS = 8
const STRANGERS = 6
const REVOCATIONS = 5
const PER_SECOND = 500
/** Many short rounds: a virtual machine's host stops both of its cores now and then, for 12 to 25 ms, which spoils a round. */
const ROUNDS = 9
const ROUND_MS = 3000
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

/** Not the server's work: it shows how much of what log-ins bring comes from cores that are shared. */
const OTHER_PROGRAM = 'another program keeps one core busy, at low priority'
const LOGINS = '200 users log in at once'
const FAILED_LOGINS = 'one account fails to log in 100 times a second, from many networks'

/** Does something dear, again and again until the end. */
type Load = (end: AbortSignal) => Promise<unknown>

/** What others feel while one account does what is dear, as fast as it may. */
export async function neighbours(bench: ServerBench): Promise<void> {
  const { owner, pg: postgres, load, quick, report } = bench
  let people = new Map<string, CurrentUser>()
  let databaseUrl = ''
  const prepare = async (url: string): Promise<void> => {
    databaseUrl = url
    const pool = new pg.Pool({ connectionString: databaseUrl })
    people = await crowd(drizzle(pool, { schema }), MEMBERS - 1)
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
  const measure = () =>
    load('fixedRate', { ...plan, readers: 1, warmUpMs: 500, measureMs: quick ? 1500 : ROUND_MS })
  const loads: Record<string, Load> = {
    [`one account reads its list of ${LISTED} groups of ${MEMBERS}, four at a time`]: lists(
      port,
      target.tokens[SENDERS]!
    ),
    'one account begins 120 bodies of 16 MiB': unfinishedBodies(mallory, port),
    'one account replaces its backup of 1 MiB': backups(mallory, port),
    'one account adds wraps for its 15 other devices': await wraps(owner, server.url, mallory),
    [OTHER_PROGRAM]: otherProgram,
    [LOGINS]: logins(mallory, usernames),
    [FAILED_LOGINS]: failedLogins(mallory)
  }
  await (quick ? measure() : load('fixedRate', { ...plan, ...WARM_UP, readers: 1, warmUpMs: 500 }))
  for (const [name, work] of Object.entries(loads)) {
    const rounds: { quiet: Latency; busy: Latency }[] = []
    const before = residentBytes(pid)
    // The first round is for code that has not run yet, here and in the server: `cold` measures that.
    for (let round = quick ? ROUNDS : 0; round <= ROUNDS; round++) {
      const quiet = await measure()
      const end = new AbortController()
      const working = work(end.signal)
      const busy = await measure()
      end.abort()
      await working
      if (round > 0) rounds.push({ quiet, busy })
    }
    for (const figure of ['p50', 'p99'] as const) {
      const [value, baseline] = (['busy', 'quiet'] as const).map((of) =>
        median(rounds.map((round) => round[of][figure]))
      ) as [number, number]
      report({
        name: `POST → SSE ${figure} of others at ${PER_SECOND}/s while ${name} : quiet`,
        value,
        unit: 'ms',
        baseline,
        ratio: value / baseline,
        ...(name !== OTHER_PROGRAM && { target: { of: 'ratio', atMost: targets(name)[figure] } })
      })
    }
    report({ name: 'resident, more than before', value: (residentBytes(pid) - before) / MIB, unit: 'MiB' })
  }
  await load('closeStreams', undefined)
  await revocations(bench, server, people)
}

/** The most that others may feel, as a ratio. */
function targets(load: string): { p50: number; p99: number } {
  if (load === FAILED_LOGINS) return { p50: 1.1, p99: 2 }
  return load === LOGINS ? { p50: 1.2, p99: 2 } : { p50: 1.5, p99: 1.5 }
}

function lists(port: number, token: string): Load {
  const agent = new Agent({ keepAlive: true })
  const options = { host: '127.0.0.1', port, path: '/v1/conversations?limit=200', agent }
  const headers = { authorization: `Bearer ${token}` }
  // The answers are counted and not kept: to make texts of them would take this machine's two cores from those who are measured.
  const read = async () => {
    const [answer] = (await once(get({ ...options, headers }), 'response')) as [IncomingMessage]
    let bytes = 0
    for await (const piece of answer as AsyncIterable<Buffer>) bytes += piece.length
    return { status: answer.statusCode!, bytes }
  }
  const list = async (end: AbortSignal) => {
    while (!end.aborted) {
      const answer = await unlessLimited(read())
      if (answer !== undefined && answer.bytes < 50_000) throw new Error(`a page of ${answer.bytes} bytes`)
    }
  }
  return (end) => Promise.all(Array.from({ length: 4 }, () => list(end)))
}

/**
 * Bodies that come as a network brings them, a gigabit in a second. A body that the server refuses is not sent on: to copy 2 GB
 * that nobody reads would take more of this machine's two cores than the server does.
 */
function unfinishedBodies(by: InteropClient, port: number): Load {
  const head = ['POST /v1/conversations HTTP/1.1', 'Host: bench', `Authorization: Bearer ${by.accessToken}`]
  const type = ['Content-Type: application/json', `Content-Length: ${16 * MIB}`, '', '']
  const piece = Buffer.alloc(MIB / 8, ' ')
  return async (end) => {
    const bodies = Array.from({ length: 120 }, () => {
      const socket = connect(port, '127.0.0.1')
        .on('error', () => undefined)
        .resume()
      socket.write([...head, ...type].join('\r\n'))
      return { socket, left: 16 * MIB - 1 }
    })
    for (let n = 0; !end.aborted; n++) {
      const body = bodies[n % bodies.length]!
      const size = Math.min(piece.length, body.left)
      if (body.socket.writable && size > 0) {
        body.socket.write(piece.subarray(0, size))
        body.left -= size
        await sleep(1)
      } else if (n % bodies.length === 0) await sleep(1)
    }
    for (const { socket } of bodies) socket.destroy()
  }
}

function backups(by: InteropClient, port: number): Load {
  let etag: string | undefined
  return async (end) => {
    while (!end.aborted) {
      const given = etag === undefined ? { 'if-none-match': '*' } : { 'if-match': etag }
      const answer = await unlessLimited(putBackup(by, port, given))
      etag = answer?.etag ?? etag
    }
  }
}

/**
 * Sends 1 MiB in pieces, as a network does, and stops if it is refused meanwhile. To copy whole bodies that nobody reads
 * would take more of this machine's two cores than the server does, which has to refuse them.
 */
async function putBackup(
  by: InteropClient,
  port: number,
  given: Record<string, string>
): Promise<{ status: number; etag: string | undefined }> {
  const headers = {
    ...given,
    authorization: `Bearer ${by.accessToken}`,
    'content-type': 'application/octet-stream',
    'content-length': String(MIB)
  }
  const sending = request({
    host: '127.0.0.1',
    port,
    method: 'PUT',
    path: '/v1/users/me/key-backup',
    headers
  })
  let answer: IncomingMessage | undefined
  const answered = once(sending, 'response').then(([response]) => (answer = response as IncomingMessage))
  const piece = randomBytes(MIB / 16)
  for (let sent = 0; sent < MIB && answer === undefined; sent += piece.length) {
    sending.write(piece)
    await sleep(1)
  }
  if (answer === undefined) sending.end()
  const { statusCode, headers: got } = await answered
  sending.destroy()
  return { status: statusCode!, etag: got.etag }
}

async function wraps(owner: Scope, url: string, by: InteropClient): Promise<Load> {
  const id = await found(by, 'group')
  const { sessionKeyId, key } = await show(by, id)
  const others = Array.from({ length: 15 }, () => cheapKeys())
  const devices: InteropClient[] = []
  for (const keys of others) devices.push(await deviceOf(owner, url, by, keys))
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
  let n = 0
  return async (end) => {
    while (!end.aborted) await unlessLimited(post(by, path, bodies[n++ % bodies.length]))
  }
}

/** Takes what the hashes of passwords take: one core, at the priority of the threads that hash. */
async function otherProgram(end: AbortSignal): Promise<void> {
  const busy = spawn(process.execPath, ['--eval', 'for (;;);'], { stdio: 'ignore' })
  dieTogether(busy)
  setPriority(busy.pid!, 10)
  await once(end, 'abort')
  busy.kill('SIGKILL')
  await once(busy, 'exit')
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

/** Users log in at once, again and again. Users who are refused come again after `Retry-After`. */
function logins(by: InteropClient, usernames: readonly string[]): Load {
  let succeeded = 0
  const log = async (username: string, end: AbortSignal) => {
    const request = { body: { username, password: by.password }, token: null }
    while (!end.aborted) {
      const answer = await by.raw('POST', '/v1/auth/login', request)
      if (answer.status === 200) succeeded++
      else await retryTime(answer, end)
    }
  }
  return async (end) => {
    await Promise.all(usernames.map((username) => log(username, end)))
    if (succeeded === 0) throw new Error('nobody could log in')
  }
}

/** Each for another name and from another network: no limit of one account or network ends it. */
function failedLogins(by: InteropClient): Load {
  const fail = (n: number) =>
    by.raw('POST', '/v1/auth/login', {
      body: { username: `nobody${n}`, password: 'a wrong password' },
      token: null,
      headers: { 'x-forwarded-for': `10.${n >> 16}.${(n >> 8) & 255}.${n & 255}` }
    })
  let n = 0
  return async (end) => {
    const attempts: Promise<unknown>[] = []
    for (; !end.aborted; n++) {
      attempts.push(fail(n))
      await sleep(10)
    }
    await Promise.all(attempts)
  }
}

/** How long a revocation takes while strangers name its user in large groups, as fast as they may. */
async function revocations(
  { owner, report }: ServerBench,
  server: { url: string },
  people: Map<string, CurrentUser>
): Promise<void> {
  const victim = await user(owner, server, 'victim')
  const strangers = await Promise.all(
    Array.from({ length: STRANGERS }, (_, n) => user(owner, server, `stranger${n}`))
  )
  const named = [...[...people.keys()].slice(0, 600), 'victim']
  const bodies = await Promise.all(
    strangers.map(async (by) => {
      const known = new Map(people)
      for (const name of ['victim', by.username]) known.set(name, await currentUser(victim, name))
      const made: string[] = []
      for (let n = 0; n < 10; n++) made.push(JSON.stringify(await creation(by, 'group', named, { known })))
      return made
    })
  )
  const devices: InteropClient[] = []
  for (let n = 0; n < REVOCATIONS; n++) devices.push(await deviceOf(owner, server.url, victim, cheapKeys()))
  const end = new AbortController()
  const storm = strangers.map(async (by, n) => {
    for (let next = 0; !end.signal.aborted; next++)
      await unlessLimited(post(by, '/v1/conversations', bodies[n]![next % bodies[n]!.length]))
  })
  const times: number[] = []
  for (const { deviceId } of devices) {
    await sleep(300)
    const since = performance.now()
    expect(await victim.revoke(deviceId), 200)
    times.push(performance.now() - since)
  }
  end.abort()
  await Promise.all(storm)
  report({
    name: `revocation while ${STRANGERS} strangers name its user in groups of 600, the longest of ${REVOCATIONS}`,
    value: Math.max(...times) / 1000,
    unit: 's',
    target: { of: 'value', atMost: 1 }
  })
}

async function deviceOf(
  owner: Scope,
  url: string,
  of: InteropClient,
  keys: InteropClient['keys']
): Promise<InteropClient> {
  const device = await InteropClient.create(url, of.username, { keys, password: of.password })
  owner.teardown(() => device.close())
  expect(await device.login(false), 200)
  expect(await device.addDevice(of.keys), 201)
  return device
}

/** @returns undefined for a refusal: after a moment of one by a limit, after a second if the server is overloaded */
async function unlessLimited<A extends { status: number }>(answer: Promise<A>): Promise<A | undefined> {
  const given = await answer
  if (given.status < 400) return given
  await sleep(given.status === 503 ? 1000 : 20)
  return undefined
}
