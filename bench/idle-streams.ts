import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ServerBench } from './bench.js'
import { residentBytes, startOurs } from './servers.js'

const GROUP = 10

/** The memory of an open stream while nothing happens. Each stream has its own user, in groups of ten. */
export async function idleStreams({ owner, pg, load, quick, report }: ServerBench): Promise<void> {
  const streams = quick ? 2000 : 10_000
  const groups = Array.from({ length: streams / GROUP }, (_, group) =>
    Array.from({ length: GROUP }, (_, n) => group * GROUP + n)
  )
  const collector = join(import.meta.dirname, 'collect-on-signal.js')
  const options = ['--expose-gc', '--import', collector]
  const { port, pid, tokens } = await startOurs(owner, pg, { users: streams, groups }, options)
  const resident = async () => {
    process.kill(pid, 'SIGUSR2')
    await sleep(1000)
    return residentBytes(pid)
  }
  const empty = await resident()
  report({ name: 'resident, empty server, PostgreSQL', value: empty / 2 ** 20, unit: 'MiB' })
  const since = performance.now()
  await load('openStreams', { port, tokens })
  const opening = performance.now() - since
  report({ name: `streams opened, to ${streams}`, value: (streams / opening) * 1000, unit: '/s' })
  await sleep(quick ? 500 : 3000)
  const opened = residentBytes(pid)
  const settled = await resident()
  await load('closeStreams', undefined)
  const each = (bytes: number) => (bytes - empty) / streams / 1024
  report({
    name: `resident per idle stream of ${streams}, above the empty server`,
    value: each(settled),
    unit: 'KiB',
    target: { of: 'value', atMost: 11 }
  })
  report({ name: 'the same, garbage of opening them included', value: each(opened), unit: 'KiB' })
}
