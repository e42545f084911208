import { setTimeout as sleep } from 'node:timers/promises'
import type { Test } from 'tap'
import { generateKeys } from '../../support/interop/crypto.js'
import { expect } from '../../support/interop/http.js'
import type { ServerProcess } from '../../support/server-process.js'
import type { InteropClient } from '../../support/interop/client.js'
import { user } from '../../support/people.js'

const limitMs = 15_000

/** The contract leaves the words open: a user's record counts as online by any of the usual ones. */
export function shownOnline(value: unknown, who: InteropClient): boolean {
  if (typeof value !== 'object' || value === null) return false
  const values = Object.values(value) as unknown[]
  const about = values.some((one) => one === who.username || one === who.userId)
  if (about && (Reflect.get(value, 'online') === true || values.includes('online'))) return true
  return values.some((one) => shownOnline(one, who))
}

async function seenAs(online: boolean, by: InteropClient, who: InteropClient): Promise<number> {
  const began = Date.now()
  for (;;) {
    const answer = expect(await by.raw('GET', `/v1/presence?user=${who.username}`), 200)
    const took = Date.now() - began
    if (shownOnline(answer.body, who) === online) return took
    if (took > limitMs)
      throw new Error(`${who.username} is not ${online ? 'online' : 'offline'} after ${took} ms`)
    await sleep(100)
  }
}

export interface PresenceWorld {
  readonly alice: InteropClient
  readonly bob: InteropClient
  readonly eve: InteropClient
}

export async function presenceWorld(
  t: Test,
  first: ServerProcess,
  second: ServerProcess
): Promise<PresenceWorld> {
  const alice = await user(t, first, 'alice', { keys: await generateKeys() })
  const bob = await user(t, second, 'bob', { keys: await generateKeys() })
  const eve = await user(t, first, 'eve', { keys: await generateKeys() })
  expect((await alice.createConversation('direct', ['bob'])).answer, 201)
  return { alice, bob, eve }
}

export async function comesAndGoes(t: Test, { alice, bob, eve }: PresenceWorld): Promise<void> {
  const alices = await alice.live()
  const eves = await eve.live()
  await seenAs(false, alice, bob)
  const opened = performance.now()
  const bobs = await bob.live()
  t.ok((await seenAs(true, alice, bob)) < limitMs, 'online with the first stream')
  const event = await alices.waitFor(
    (one) => one.event === 'presence' && shownOnline(one.data, bob),
    'presence'
  )
  t.ok(performance.now() - opened < limitMs, 'the event comes in time')
  t.notOk('id' in event, 'told on the stream, without moving the cursor')
  const strange = await eve.raw('GET', `/v1/presence?user=${bob.username}`)
  t.notOk(shownOnline(strange.body, bob), `not shown to a stranger (${strange.status})`)
  bobs.close()
  t.ok((await seenAs(false, alice, bob)) < limitMs, 'offline after the last stream')
  t.notOk(
    eves.received.some((one) => one.event === 'presence' && shownOnline(one.data, bob)),
    'nothing of it on a stranger’s stream'
  )
}

/** Bob's process is killed: Bob must not stay online for ever. */
export async function dies(t: Test, { alice, bob }: PresenceWorld, server: ServerProcess): Promise<void> {
  await bob.live({ pauseMs: 100 })
  await seenAs(true, alice, bob)
  await server.kill()
  const took = await seenAs(false, alice, bob)
  t.ok(took <= limitMs, `offline ${took} ms after bob's process was killed`)
  await server.start()
  t.ok((await seenAs(true, alice, bob)) < limitMs, 'online again after the next connection')
}
