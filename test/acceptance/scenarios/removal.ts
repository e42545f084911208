import { setTimeout as sleep } from 'node:timers/promises'
import type { Test } from 'tap'
import { generateKeys } from '../../support/interop/crypto.js'
import { expect, problem, problemBody } from '../../support/interop/http.js'
import type { ServerProcess } from '../../support/server-process.js'
import { user } from '../../support/people.js'
import { furtherDevice, mentions, messageOf, positionOf } from './world.js'

/** Names carry a suffix, so that both scenarios may run on one server. */
export async function removedMember(t: Test, server: ServerProcess): Promise<void> {
  const bob = await user(t, server, 'bob-m', { keys: await generateKeys() })
  const carol = await user(t, server, 'carol-m', { keys: await generateKeys() })
  const alice = await user(t, server, 'alice-m', { keys: await generateKeys() })
  const { id, answer } = await alice.createConversation('group', ['bob-m', 'carol-m'])
  expect(answer, 201)
  const bobs = await bob.live()
  const carols = await carol.live()
  await bob.fetchKeys(id)
  expect(await alice.send(id, 'with bob'), 201)
  const before = await bobs.waitFor((event) => event.event === 'message', 'a message while a member')
  t.equal((await bob.open(messageOf(before))).text, 'with bob')

  const old = await alice.roster(id)
  const late = alice.seal(id, 'under the old session key')
  expect(await alice.removeMember(id, 'bob-m'), 201)
  const removal = await bobs.waitFor(
    (event) => event.event === 'conversation.chain' && mentions(event, 'conversation-remove', 'bob-m'),
    'the removal'
  )
  t.pass('the removed member hears of the removal')

  const refused = await bob.post(id, bob.seal(id, 'still here?'))
  t.equal(refused.status, 404, 'their next send is refused as in a conversation of others')
  t.match(refused.headers['content-type'], /^application\/problem\+json/)
  const outdated = await alice.post(id, late)
  t.equal(outdated.status, 409, 'the session key that they hold is refused to the others')
  t.equal(problem(outdated), 'rekey-required')

  const now = await alice.roster(id)
  const stale = await alice.newKey(id, { ...now, covered: old.covered })
  t.equal(stale.status, 409, 'a new session key that covers them is refused')
  t.equal(problem(stale), 'stale-roster')
  const difference = { head: now.head, missing: [], unexpected: [bob.deviceId] }
  t.match(problemBody(stale), difference, 'with the difference')
  t.equal(problem(await alice.newKey(id, old)), 'stale-chain', 'a key behind an older head is refused')
  const short = await alice.newKey(id, { ...now, covered: now.covered.slice(1) })
  t.match(
    problemBody(short),
    { missing: [now.covered[0]?.deviceId], unexpected: [] },
    'so is one that leaves one out'
  )
  expect(await alice.post(id, alice.seal(id, 'without bob', late.id)), 201)

  const event = await carols.waitFor((one) => mentions(one, late.id), 'the message without bob')
  t.equal((await carol.open(messageOf(event))).text, 'without bob', 'the others go on under the new key')
  await sleep(250)
  const after = bobs.durable().filter((one) => positionOf(one) > positionOf(removal))
  t.same(after, [], 'nothing after it comes on their stream')
  const { body } = expect(await bob.poll('0'), 200)
  t.equal(body.items.at(-1)?.data['position'], positionOf(removal), 'nor from the beginning of the log')
  const key = alice.currentKey.get(id) ?? ''
  t.notOk((await bob.raw('GET', `/v1/conversations/${id}/session-keys`).then(JSON.stringify)).includes(key))
}

export async function revokedDevice(t: Test, server: ServerProcess): Promise<void> {
  const carol = await user(t, server, 'carol-d', { keys: await generateKeys() })
  const alice = await user(t, server, 'alice-d', { keys: await generateKeys() })
  const laptop = await furtherDevice(t, alice, { keys: await generateKeys() })
  expect(await laptop.login(false), 200)
  expect(await laptop.addDevice(alice.keys), 201)
  expect(await laptop.login(), 200)
  const { id, answer } = await alice.createConversation('group', ['carol-d'])
  expect(answer, 201)
  await carol.fetchKeys(id)
  const stream = await laptop.live()
  const carols = await carol.live()
  expect(await alice.send(id, 'to both devices'), 201)
  const first = await stream.waitFor((event) => event.event === 'message', 'a message while active')
  t.equal((await laptop.open(messageOf(first))).text, 'to both devices')
  const old = await carol.roster(id)

  const began = Date.now()
  expect(await alice.revoke(laptop.deviceId), 200, 201, 204)
  await stream.waitFor((event) => event.event === 'session.ended', 'session.ended')
  await stream.over()
  t.ok(Date.now() - began < 1_500, "the device's stream ends at once")
  t.notOk('id' in (stream.received.at(-1) ?? {}), 'session.ended bears no id')
  const denied = await laptop.raw('GET', '/v1/users/me')
  t.equal(denied.status, 401, 'its requests are refused')
  t.match(denied.headers['www-authenticate'], /^Bearer/)
  t.equal((await laptop.post(id, laptop.seal(id, 'me?'))).status, 401, 'so are its messages')
  t.equal((await laptop.refresh()).status, 401, 'so is its refresh token')
  const back = await laptop.login()
  t.ok(back.status >= 400 && back.status < 500, `it can't log in again (${back.status})`)

  await carols.waitFor(
    (event) => event.event === 'device.chain' && mentions(event, 'device-revoke', laptop.deviceId),
    'device.chain'
  )
  t.pass('contacts are told by device.chain')
  const message = carol.seal(id, 'under the old session key')
  const outdated = await carol.post(id, message)
  t.equal(problem(outdated), 'rekey-required', 'the session key that it holds is refused')
  const stale = await carol.newKey(id, old)
  t.equal(problem(stale), 'stale-roster')
  t.match(problemBody(stale), { missing: [], unexpected: [laptop.deviceId] })
  expect(await carol.newKey(id), 201)
  expect(await carol.post(id, carol.seal(id, 'without the laptop', message.id)), 201)
  const kept = (await alice.history(id)).at(-1)
  t.ok(kept !== undefined)
  if (kept !== undefined) t.equal((await alice.open(kept)).text, 'without the laptop')
}
