import { performance } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { drizzle } from 'drizzle-orm/node-postgres'
import pg from 'pg'
import t, { type Test } from 'tap'
import { cheapKeys } from '../../../support/bad-input.js'
import { creation, currentUser, type KeyBody } from '../../../support/chain-requests.js'
import { found, newKey, post } from '../../../support/conversations.js'
import { crowd } from '../../../support/crowd.js'
import { LockHolder } from '../../../support/database-locks.js'
import { InteropClient } from '../../../support/interop/client.js'
import { expect, problem, type Answer } from '../../../support/interop/http.js'
import { user } from '../../../support/people.js'
import { startPostgres } from '../../../support/postgres.js'
import { startServer } from '../../../support/server-process.js'

const MEMBERS = 600
const STRANGERS = 6
/** Requests that a stranger has under way, and different ones that they have. */
const AT_ONCE = 4
const GROUPS = 15
/** A change takes some 0.3 s, and up to 2.2 s beside busy programs. If strangers hold it up, it fails after 10. */
const LIMIT_MS = 5000

const postgres = await startPostgres(t)
if (postgres !== undefined) {
  const databaseUrl = await postgres.newDatabase()
  const server = await startServer(t, { databaseUrl })
  let victim = await user(t, server, 'victim')
  const strangers = await Promise.all(
    Array.from({ length: STRANGERS }, (_, n) => user(t, server, `stranger${n}`))
  )
  const pool = new pg.Pool({ connectionString: databaseUrl })
  const others = await crowd(drizzle(pool), MEMBERS)
  await pool.end()

  /** Another device of the victim, with a session and not yet added. */
  async function newDevice(): Promise<InteropClient> {
    const keys = cheapKeys()
    const device = await InteropClient.create(server.url, 'victim', { keys, password: victim.password })
    t.teardown(() => device.close())
    expect(await device.login(false), 200)
    return device
  }

  async function addedDevice(): Promise<InteropClient> {
    const device = await newDevice()
    expect(await device.addDevice(victim.keys), 201)
    return device
  }

  /** What the victim does: each is prepared, and then done during a storm. */
  const CHANGES: Record<string, () => Promise<() => Promise<Answer<unknown>>>> = {
    'adding a device': async () => {
      const device = await newDevice()
      return () => device.addDevice(victim.keys)
    },
    'renewing the keys of a device': () => {
      const keys = cheapKeys({ signing: victim.keys.signingPrivate })
      return Promise.resolve(() => victim.rekey(keys))
    },
    'revoking a device': async () => {
      const { deviceId } = await addedDevice()
      return () => victim.revoke(deviceId)
    },
    'beginning again after a reset': async () => {
      const device = await newDevice()
      return async () => {
        const answer = await device.reset()
        victim = device
        return answer
      }
    }
  }

  /** Requests that create groups with the victim, as text: the test must not take the server's time. */
  async function groups(by: InteropClient, isValid: boolean): Promise<string[]> {
    const known = new Map(others)
    for (const name of ['victim', by.username]) known.set(name, await currentUser(victim, name))
    const wrong = isValid ? {} : { wraps: (all: KeyBody['wraps']) => all.slice(1) }
    const bodies: string[] = []
    for (let n = 0; n < GROUPS; n++)
      bodies.push(
        JSON.stringify(await creation(by, 'group', [...others.keys(), 'victim'], { known, ...wrong }))
      )
    return bodies
  }

  /** Post these again and again until the end. @returns how many answers had which status */
  async function storm(by: InteropClient, bodies: string[], end: AbortSignal): Promise<Map<number, number>> {
    const statuses = new Map<number, number>()
    let next = 0
    const loop = async () => {
      while (!end.aborted) {
        const { status } = await post(by, '/v1/conversations', bodies[next++ % bodies.length])
        statuses.set(status, (statuses.get(status) ?? 0) + 1)
      }
    }
    await Promise.all(Array.from({ length: AT_ONCE }, loop))
    return statuses
  }

  /** Do these one after the other, while strangers create groups. @returns the milliseconds that each takes */
  async function during(
    t: Test,
    isValid: boolean,
    changes: (() => Promise<Answer<unknown>>)[]
  ): Promise<number[]> {
    const bodies = await Promise.all(strangers.map((by) => groups(by, isValid)))
    const end = new AbortController()
    const storms = strangers.map((by, n) => storm(by, bodies[n]!, end.signal))
    const times: number[] = []
    try {
      for (const change of changes) {
        await sleep(500)
        const start = performance.now()
        expect(await change(), 200, 201)
        times.push(Math.round(performance.now() - start))
      }
    } finally {
      end.abort()
    }
    const statuses = await Promise.all(storms)
    t.comment(times.join(), statuses.map((one) => JSON.stringify([...one])).join())
    return times
  }

  t.test('Strangers who create groups that are refused hold up no change of devices', async (t) => {
    const changes = []
    for (const prepare of Object.values(CHANGES)) changes.push(await prepare())
    for (const took of await during(t, false, changes)) t.ok(took <= LIMIT_MS, `${took} ms`)
  })

  // Each has a storm of its own: after a change the groups are refused, because they name what was before.
  for (const [what, prepare] of Object.entries(CHANGES))
    t.test(`Strangers who create large groups do not hold up ${what}`, async (t) => {
      const [took] = await during(t, true, [await prepare()])
      t.ok(took! <= LIMIT_MS, `${took} ms`)
    })

  t.test('A change that waits for a busy conversation gives up, and holds up no revocation', async (t) => {
    const [alice] = strangers as [InteropClient]
    const id = await found(alice, 'group')
    const { deviceId } = await addedDevice()
    const holder = await LockHolder.connect(t, databaseUrl)
    await holder.client.query('begin')
    await holder.client.query('select from conversations where id = $1 for share', [id])
    const waiting = newKey(alice, id)
    await holder.holdsUp()
    expect(await victim.revoke(deviceId), 200)
    t.equal(problem(await waiting), 'database-unavailable')
    await holder.client.query('commit')
    expect(await newKey(alice, id), 201)
  })
}
