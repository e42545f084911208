import { setTimeout as sleep } from 'node:timers/promises'
import { creation, currentUser, type CurrentUser } from '../test/support/chain-requests.js'
import { post } from '../test/support/conversations.js'
import { expect } from '../test/support/interop/http.js'
import type { InteropClient } from '../test/support/interop/client.js'
import { anotherDevice, user } from '../test/support/people.js'
import type { ServerBench } from './bench.js'
import { unlessLimited } from './retry-time.js'

const MEMBERS = 600
const STRANGERS = 6
const REVOCATIONS = 5
/** More than a stranger creates in half a second. */
const GROUPS = 10

/** How long a revocation takes while strangers name its user in large groups, as fast as they may. */
export async function revocations(
  { owner, report }: ServerBench,
  server: { url: string },
  people: ReadonlyMap<string, CurrentUser>
): Promise<void> {
  const victim = await user(owner, server, 'victim')
  const devices: InteropClient[] = []
  for (let n = 0; n < REVOCATIONS; n++) devices.push(await anotherDevice(owner, server, victim))
  const times: number[] = []
  let made = 0
  // Each has a storm of its own, of accounts that have used nothing of their limits: after a revocation all groups are
  // refused, since they name the devices that were there before.
  for (const [n, { deviceId }] of devices.entries()) {
    const strangers = await Promise.all(
      Array.from({ length: STRANGERS }, (_, m) => user(owner, server, `stranger${n}-${m}`))
    )
    const bodies = await Promise.all(strangers.map((by) => groupsWith(victim, by, people)))
    const storm: Storm = { made: 0, hasChanged: false, end: new AbortController() }
    const creating = Promise.all(strangers.map((by, m) => create(by, bodies[m]!, storm)))
    creating.catch(() => undefined)
    try {
      await sleep(300)
      if (storm.made === 0) throw new Error('no stranger has made a group')
      const since = performance.now()
      storm.hasChanged = true
      expect(await victim.revoke(deviceId), 200)
      times.push(performance.now() - since)
    } finally {
      storm.end.abort()
      await creating
    }
    made += storm.made
  }
  report({
    name: `revocation while ${STRANGERS} strangers name its user in groups of ${MEMBERS}, the longest of ${REVOCATIONS}`,
    value: Math.max(...times) / 1000,
    unit: 's',
    target: { of: 'value', atMost: 1 }
  })
  report({ name: 'such groups that were made before and meanwhile', value: made, unit: '' })
}

/** Requests as text: to make them takes longer than to serve them. */
async function groupsWith(
  victim: InteropClient,
  by: InteropClient,
  people: ReadonlyMap<string, CurrentUser>
): Promise<string[]> {
  const known = new Map(people)
  for (const name of [victim.username, by.username]) known.set(name, await currentUser(victim, name))
  const named = [...[...people.keys()].slice(0, MEMBERS), victim.username]
  const bodies: string[] = []
  for (let n = 0; n < GROUPS; n++) bodies.push(JSON.stringify(await creation(by, 'group', named, { known })))
  return bodies
}

interface Storm {
  made: number
  /** The victim may have other devices now. */
  hasChanged: boolean
  readonly end: AbortController
}

/** Create groups until the end, or until they are refused because the victim has changed. */
async function create(by: InteropClient, bodies: readonly string[], storm: Storm): Promise<void> {
  for (let next = 0; next < bodies.length && !storm.end.signal.aborted;) {
    const answer = await post(by, '/v1/conversations', bodies[next])
    if (storm.hasChanged && answer.status === 409) return
    if ((await unlessLimited(answer)) === undefined) continue
    next++
    storm.made++
  }
}
