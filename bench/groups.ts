import { drizzle } from 'drizzle-orm/node-postgres'
import pg from 'pg'
import { creation, chainRequest, type CurrentUser } from '../test/support/chain-requests.js'
import { post } from '../test/support/conversations.js'
import { crowd } from '../test/support/crowd.js'
import { expect } from '../test/support/interop/http.js'
import type { InteropClient } from '../test/support/interop/client.js'
import { parseStatement } from '../src/protocol/parse-statement.js'
import { statementHash } from '../test/support/interop/chains.js'
import { user } from '../test/support/people.js'
import { MESSAGE_BYTES, type ServerBench } from './bench.js'
import { median } from './load/percentile.js'
import { retryTime } from './retry-time.js'
import { longestWait } from './longest-wait.js'
import { startOurs } from './servers.js'

const MEMBERS = 1000
/** Made by one account in each round. */
const GROUPS = 30
const PER_SECOND = 500
const LISTED = 100
/** Larger gaps between two answers to a small request say that something else held the server up. */
const LONGEST_MS = 50

/** What large groups cost those who have nothing to do with them. */
export async function groups(bench: ServerBench): Promise<void> {
  await making(bench, 'with no limit', { RATE_LIMIT: 'off' })
  await making(bench, 'within the limits', { RATE_LIMIT: 'on', RATE_LIMIT_SEND: '10000000' })
  await listing(bench)
}

/** Others' messages while one account makes groups of a thousand, and session keys in them, as fast as it may. */
async function making(
  { owner, pg: postgres, load, quick, report }: ServerBench,
  how: 'with no limit' | 'within the limits',
  limits: Record<string, string>
): Promise<void> {
  const isLimited = how === 'within the limits'
  let people: Map<string, CurrentUser> | undefined
  const prepare = async (databaseUrl: string): Promise<void> => {
    const pool = new pg.Pool({ connectionString: databaseUrl })
    people = await crowd(drizzle(pool), MEMBERS - 1)
    await pool.end()
  }
  const target = await startOurs(owner, postgres, undefined, [], prepare, limits)
  const { port, tokens, conversations } = target
  const maker = await user(owner, { url: `http://127.0.0.1:${port}` }, 'maker')
  const rounds = quick ? 1 : 3
  // More than can be made: the account is busy all the time.
  const bodies: string[][] = []
  for (let n = 0; n < rounds * GROUPS; n++) bodies.push(await requests(maker, people!))
  await load('openStreams', { port, tokens: [tokens[0]!] })
  const plan = {
    port,
    tokens,
    conversations,
    bytes: MESSAGE_BYTES,
    connections: 64,
    perSecond: PER_SECOND,
    readers: 1,
    warmUpMs: 1000,
    // The limits are those of a minute.
    measureMs: quick ? 2000 : isLimited ? 60_000 : 5000
  }
  await load('fixedRate', plan)
  const quiet: number[] = []
  const busy: number[] = []
  let made = 0
  for (let round = 0; round < rounds; round++) {
    quiet.push((await load('fixedRate', plan)).p99)
    const own = bodies.splice(0, GROUPS)
    const end = new AbortController()
    const work = make(maker, own, end.signal)
    busy.push((await load('fixedRate', plan)).p99)
    end.abort()
    made += await work
  }
  await load('closeStreams', undefined)
  report({
    name: `groups of ${MEMBERS} and keys in them, made by one account ${how}`,
    value: made,
    unit: ''
  })
  report({
    name: `POST → SSE p99 of others at ${PER_SECOND}/s meanwhile, ${how} : quiet`,
    value: median(busy),
    unit: 'ms',
    baseline: median(quiet),
    ratio: median(busy) / median(quiet),
    ...(isLimited && { target: { of: 'ratio', atMost: 1.5 } })
  })
}

/** The requests that create a group, and make another key in it, as text. */
async function requests(maker: InteropClient, people: Map<string, CurrentUser>): Promise<string[]> {
  const first = await creation(maker, 'group', [...people.keys()], { known: people })
  const { statement } = first.key
  const states = parseStatement(statement.text, ['conversation-key']).state
  const { members } = parseStatement(first.statements[0]!.text, ['conversation-create'])
  const view = {
    id: first.id,
    sequence: 2,
    head: statementHash(statement),
    members: new Map(members.map(({ username, root }) => [username, root])),
    states: new Map(states.map(({ username, ...state }) => [username, state]))
  }
  const second = await chainRequest(maker, view, [], { known: people })
  return [JSON.stringify(first), `${first.id} ${JSON.stringify(second.key)}`]
}

/** Post these, one after the other, until the end. @returns how many were posted */
async function make(maker: InteropClient, bodies: readonly string[][], end: AbortSignal): Promise<number> {
  let made = 0
  for (const [group, key] of bodies) {
    const at = key!.indexOf(' ')
    const path = `/v1/conversations/${key!.slice(0, at)}/session-keys`
    if (!(await posted(maker, '/v1/conversations', group!, end))) break
    if (!(await posted(maker, path, key!.slice(at + 1), end))) break
    made += 2
  }
  return made
}

/** @returns false if the end came before the server took it */
async function posted(maker: InteropClient, path: string, body: string, end: AbortSignal): Promise<boolean> {
  while (!end.aborted) {
    const answer = await post(maker, path, body)
    if (answer.status !== 429) {
      expect(answer, 201)
      return true
    }
    // To send 700 KB again ten times a second would take more of this machine than the server does, which refuses them.
    await retryTime(answer, end)
  }
  return false
}

/** How long the list of a member of many large groups keeps all others waiting. */
async function listing({ owner, pg: postgres, quick, report }: ServerBench): Promise<void> {
  const everybody = Array.from({ length: MEMBERS }, (_, n) => n)
  const groups = Array.from({ length: LISTED }, () => everybody)
  const { port, tokens } = await startOurs(owner, postgres, { users: MEMBERS, groups })
  const base = `http://127.0.0.1:${port}`
  const headers = { authorization: `Bearer ${tokens[0]}` }
  const list = async (): Promise<number> => {
    const since = performance.now()
    const response = await fetch(`${base}/v1/conversations?limit=200`, { headers })
    const page = await response.text()
    if (!page.includes('"members":[{')) throw new Error(`a page that shows nobody: ${page}`)
    return performance.now() - since
  }
  for (let n = 0; n < 3; n++) await list()
  const end = new AbortController()
  const probing = longestWait(port, end.signal)
  const times: number[] = []
  for (let n = 0; n < (quick ? 5 : 30); n++) times.push(await list())
  end.abort()
  report({ name: `list of ${LISTED} groups of ${MEMBERS} answered, p50`, value: median(times), unit: 'ms' })
  report({
    name: 'another request meanwhile, the longest wait',
    value: await probing,
    unit: 'ms',
    target: { of: 'value', atMost: LONGEST_MS }
  })
}
