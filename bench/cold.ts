import { setTimeout as sleep } from 'node:timers/promises'
import { withOwner } from '../test/support/with-owner.js'
import { MESSAGE_BYTES, type ServerBench } from './bench.js'
import { median } from './load/percentile.js'
import { longestWait } from './longest-wait.js'
import { startOurs } from './servers.js'

const STREAMS = 2000
const GROUP = 10

/** A process that has served nobody yet gets all clients at once, and the embedded database all that it can take. */
export async function cold(bench: ServerBench): Promise<void> {
  await streams(bench)
  await saturated(bench)
}

async function streams({ pg, load, quick, report }: ServerBench): Promise<void> {
  const groups = Array.from({ length: STREAMS / GROUP }, (_, group) =>
    Array.from({ length: GROUP }, (_, n) => group * GROUP + n)
  )
  const rounds: { seconds: number; longest: number }[] = []
  for (let round = 0; round < (quick ? 2 : 6); round++)
    await withOwner(async (owner) => {
      const { port, tokens } = await startOurs(owner, pg, { users: STREAMS, groups })
      const end = new AbortController()
      const probing = longestWait(port, end.signal)
      await sleep(200)
      const since = performance.now()
      await load('openStreams', { port, tokens, atOnce: STREAMS })
      const seconds = (performance.now() - since) / 1000
      end.abort()
      const longest = await probing
      await load('closeStreams', undefined)
      // The first round is for the load generator: only the server is new.
      if (round > 0) rounds.push({ seconds, longest })
    })
  report({
    name: `${STREAMS} streams opened at once on a new process, until all are ready`,
    value: median(rounds.map(({ seconds }) => seconds)),
    unit: 's',
    target: { of: 'value', atMost: 0.7 }
  })
  report({
    name: 'another request meanwhile, the longest wait',
    value: Math.max(...rounds.map(({ longest }) => longest)),
    unit: 'ms',
    target: { of: 'value', atMost: 100 }
  })
}

async function saturated({ owner, load, quick, report }: ServerBench): Promise<void> {
  const { port, tokens, conversations } = await startOurs(owner, null)
  const end = new AbortController()
  const probing = longestWait(port, end.signal)
  const measureMs = quick ? 5000 : 60_000
  const plan = {
    port,
    tokens,
    conversations,
    bytes: MESSAGE_BYTES,
    connections: 384,
    warmUpMs: 1000,
    measureMs
  }
  const { perSecond } = await load('closedLoop', plan)
  end.abort()
  report({ name: `sends on PGlite, saturated for ${measureMs / 1000} s`, value: perSecond, unit: '/s' })
  report({
    name: 'another request meanwhile, the longest wait',
    value: (await probing) / 1000,
    unit: 's',
    target: { of: 'value', atMost: 0.5 }
  })
}
