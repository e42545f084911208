import { setTimeout as sleep } from 'node:timers/promises'
import { MESSAGE_BYTES, type ServerBench } from './bench.js'
import { longestWait } from './longest-wait.js'
import { startOurs } from './servers.js'

const STREAMS = 2000
const GROUP = 10

/** A process that has served nobody yet gets all clients at once, and the embedded database all that it can take. */
export async function cold(bench: ServerBench): Promise<void> {
  await streams(bench)
  await saturated(bench)
}

async function streams({ owner, pg, load, report }: ServerBench): Promise<void> {
  const groups = Array.from({ length: STREAMS / GROUP }, (_, group) =>
    Array.from({ length: GROUP }, (_, n) => group * GROUP + n)
  )
  // The load generator is warm: only the server is not.
  const other = await startOurs(owner, pg, { users: STREAMS, groups })
  await load('openStreams', { port: other.port, tokens: other.tokens, atOnce: STREAMS })
  await load('closeStreams', undefined)
  const { port, tokens } = await startOurs(owner, pg, { users: STREAMS, groups })
  const end = new AbortController()
  const probing = longestWait(port, end.signal)
  await sleep(200)
  const since = performance.now()
  await load('openStreams', { port, tokens, atOnce: STREAMS })
  const seconds = (performance.now() - since) / 1000
  end.abort()
  await load('closeStreams', undefined)
  report({
    name: `${STREAMS} streams opened at once on a new process, until all are ready`,
    value: seconds,
    unit: 's',
    target: { of: 'value', atMost: 0.7 }
  })
  report({
    name: 'another request meanwhile, the longest wait',
    value: await probing,
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
