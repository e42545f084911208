import type { Test } from 'tap'
import type { Statement } from '../../support/interop/chains.js'
import { generateKeys } from '../../support/interop/crypto.js'
import { expect, problem } from '../../support/interop/http.js'
import type { ChatEvent, EventStream } from '../../support/interop/events.js'
import type { ServerProcess } from '../../support/server-process.js'
import type { InteropClient } from '../../support/interop/client.js'
import { user } from '../../support/people.js'
import { furtherDevice, mentions, messageOf } from './world.js'

/** The first thing in the event that looks like a statement about this device. */
function statementIn(value: unknown, deviceId: string): Statement | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const { text, signatures } = value as Partial<Statement>
  if (typeof text === 'string' && signatures !== undefined && text.includes(`\ndevice ${deviceId}\n`)) {
    return { text, signatures }
  }
  for (const inner of Object.values(value)) {
    const found = statementIn(inner, deviceId)
    if (found !== undefined) return found
  }
  return undefined
}

const named =
  (type: string, ...texts: readonly string[]) =>
  (event: ChatEvent): boolean =>
    event.event === type && mentions(event, ...texts)

async function opened(stream: EventStream, reader: InteropClient, messageId: string): Promise<unknown> {
  const event = await stream.waitFor((one) => one.event === 'message' && mentions(one, messageId), messageId)
  return (await reader.open(messageOf(event))).text
}

async function sent(by: InteropClient, conversation: string, text: string): Promise<string> {
  return expect(await by.send(conversation, text), 201).body.id
}

/**
 * A second device is approved, reads the past, changes its key. Then all devices are lost, and the user
 * resets.
 */
export async function devices(t: Test, server: ServerProcess): Promise<void> {
  const bob = await user(t, server, 'bob', { keys: await generateKeys() })
  const phone = await user(t, server, 'alice', { keys: await generateKeys() })
  const { id, answer } = await phone.createConversation('direct', ['bob'])
  expect(answer, 201)
  const root = (await bob.user('alice')).root
  const phones = await phone.live()
  const bobs = await bob.live()
  await sent(phone, id, 'one')
  await sent(bob, id, 'two')
  const firstKey = phone.sessionKeys.get(phone.currentKey.get(id) ?? '')

  const laptop = await furtherDevice(t, phone, { keys: await generateKeys() })
  const session = expect(await laptop.login(false), 200)
  t.equal(session.body.device, null, 'a login without deviceId has no device')
  t.equal((await laptop.raw('GET', '/v1/users/me')).status, 200, 'such a session may read the account')
  const asked = await laptop.addDevice()
  t.equal(asked.status, 202, 'a device that nobody has approved is pending')
  t.equal((await bob.user('alice')).active.size, 1, 'and in nobody’s eyes a device of the user')
  const early = await laptop.login()
  t.ok(early.status >= 400 && early.status < 500, `it can't log in as that device yet (${early.status})`)
  expect(await laptop.login(false), 200)

  const request = await phones.waitFor(named('device.requested', laptop.deviceId), 'device.requested')
  const statement = statementIn(request.data, laptop.deviceId)
  t.ok(statement, 'device.requested holds the statement to be signed')
  if (statement === undefined) return
  expect(await phone.approve(statement), 200, 201, 204)
  await bobs.waitFor(named('device.chain', laptop.deviceId), 'device.chain')
  expect(await laptop.login(), 200)
  t.equal((await bob.user('alice')).root, root, 'an approved device does not change the root')
  t.equal((await bob.user('alice')).active.size, 2)

  const laptops = await laptop.live()
  t.same(await laptop.fetchKeys(id), [], 'the new device has no wrap of the older session key')
  expect(await laptop.newKey(id), 201)
  const outdated = await bob.post(id, bob.seal(id, 'too soon'))
  t.equal(problem(outdated), 'rekey-required', 'and makes another one at once')
  t.equal(await opened(laptops, laptop, await sent(bob, id, 'three')), 'three', 'which covers it')
  if (firstKey === undefined) throw new Error('no session key was made')
  const { covered } = await phone.roster(id)
  const gift = covered.filter((device) => device.deviceId === laptop.deviceId)
  expect(await phone.shareKey(firstKey, gift), 200, 201, 204)
  await laptop.fetchKeys(id)
  const past: unknown[] = []
  for (const message of (await laptop.history(id)).slice(0, 2)) past.push((await laptop.open(message)).text)
  t.same(past, ['one', 'two'], 'after wraps were added it reads what was said before it came')

  const before = laptop.keys.encryptionFp
  expect(await laptop.rekey(), 200, 201, 204)
  await bobs.waitFor(named('device.chain', 'device-rekey', laptop.keys.encryptionFp), 'the rekey')
  const device = (await bob.user('alice')).active.get(laptop.deviceId)
  t.match(device, { version: 2, encryptionFp: laptop.keys.encryptionFp })
  t.not(before, laptop.keys.encryptionFp)
  t.equal(
    problem(await bob.post(id, bob.seal(id, 'too soon'))),
    'rekey-required',
    'a rekey asks for a new one too'
  )
  laptop.oldKeys.length = 0
  t.equal(await opened(laptops, laptop, await sent(bob, id, 'four')), 'four', 'which the new key alone opens')

  await reset(t, { bob, bobs, phones, laptops, lost: [phone, laptop], id, keys: await generateKeys() })
}

async function reset(
  t: Test,
  was: {
    bob: InteropClient
    bobs: EventStream
    phones: EventStream
    laptops: EventStream
    lost: readonly [InteropClient, ...InteropClient[]]
    id: string
    keys: InteropClient['keys']
  }
): Promise<void> {
  const { bob, bobs, id } = was
  const tablet = await furtherDevice(t, was.lost[0], { keys: was.keys })
  expect(await tablet.login(false), 200)
  expect(await tablet.reset(), 201)
  await was.phones.waitFor((event) => event.event === 'session.ended', 'session.ended')
  await was.laptops.waitFor((event) => event.event === 'session.ended', 'session.ended')
  for (const device of was.lost)
    t.equal((await device.raw('GET', '/v1/users/me')).status, 401, 'a reset ends all')
  expect(await tablet.login(), 200)
  await bobs.waitFor(named('device.chain', 'device-reset', tablet.deviceId), 'the reset')
  const alice = await bob.user('alice')
  t.equal(alice.root, tablet.keys.signingFp, 'a reset makes a new root')
  t.same([...alice.active.keys()], [tablet.deviceId])

  t.equal(problem(await bob.post(id, bob.seal(id, 'who are you?'))), 'rekey-required')
  const alone = await bob.roster(id)
  t.same(
    alone.covered.map((device) => device.deviceId),
    [bob.deviceId],
    'under another root than the conversation names they are left out of session keys'
  )
  const tablets = await tablet.live()
  expect(await bob.renewMember(id, 'alice'), 201)
  await tablets.waitFor(
    named('conversation.chain', 'conversation-renew', tablet.keys.signingFp),
    'the renewal'
  )
  t.equal(await opened(tablets, tablet, await sent(bob, id, 'five')), 'five', 'until the other renews them')
  t.equal(await opened(bobs, bob, await sent(tablet, id, 'six')), 'six', 'and she answers')
}
