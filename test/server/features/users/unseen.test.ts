import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { holds } from '../../../support/bytes-on-disk.js'
import { client, link, Listener, PASSWORD } from '../../../support/chat-clients.js'
import type { InteropClient } from '../../../support/interop/client.js'
import { expect } from '../../../support/interop/http.js'
import { startChat } from '../../../support/start-chat.js'

const openapi = JSON.parse(
  readFileSync(join(import.meta.dirname, '../../../../../openapi/openapi.json'), 'utf8')
) as { paths: Record<string, Record<string, unknown>> }
/** The streams are read by themselves, and a backup is for its owner only. */
const others = ['/v1/events', '/v1/users/me/key-backup']
const readable = Object.keys(openapi.paths).filter(
  (path) => 'get' in openapi.paths[path]! && !others.includes(path)
)

const NAMES = ['first-name-of-a-device', 'a-device-that-is-linked', 'a-device-that-waits', 'one-that-is-gone']
const AGENT = 'an-agent-of-alice/1.0'
const ADDRESS = '203.0.113.77'
const asAlice: typeof fetch = (input, init) => {
  const headers = new Headers(init?.headers)
  headers.set('x-forwarded-for', ADDRESS)
  return fetch(input, { ...init, headers })
}

/** Devices of each kind, sessions, and changes of them, told to a fellow member. */
async function aliceLives(t: Test, url: string) {
  const options = { fetch: asAlice, userAgent: AGENT }
  const credentials = { username: 'alice', password: PASSWORD }
  const [first, linked, waiting, gone] = await Promise.all(NAMES.map(() => client(t, url, options)))
  await first!.register({ ...credentials, deviceName: NAMES[0]! })
  const group = await first!.conversations.createGroup('a group', ['bob'])
  const { conversationId } = await first!.send({ username: 'bob' }, 'hello')
  await link(first!, linked!, NAMES[1])
  const goneId = await link(first!, gone!, NAMES[3])
  await first!.devices.revoke(goneId)
  await waiting!.login({ ...credentials, deviceName: NAMES[2]! })
  await first!.backup.create()
  await linked!.devices.rekey()
  await new Listener(t, linked!).first('connected')
  for (const chat of [first!, linked!]) await chat.send(group.id, 'hello all')
  const ended = await client(t, url, options)
  await ended.login({ ...credentials, deviceName: NAMES[2]! })
  await ended.logout()
  return { first: first!, conversations: [group.id, conversationId], sessions: await first!.sessions.list() }
}

/** An answer with its headers, as it came. */
async function raw(of: InteropClient, path: string, body?: unknown): Promise<[status: number, text: string]> {
  const authorization = `Bearer ${of.accessToken}`
  const answer = await fetch(`${of.base}${path}`, {
    headers: { authorization, ...(body !== undefined && { 'content-type': 'application/json' }) },
    ...(body !== undefined && { method: 'POST', body: JSON.stringify(body) })
  })
  return [answer.status, `${JSON.stringify([...answer.headers])}\n${await answer.text()}`]
}

t.test('Nobody but the owner sees device names, sessions and addresses', async (t) => {
  const { url, user } = await startChat(t, { TRUST_PROXY: '127.0.0.1' })
  const bob = await user('bob')
  const stream = await bob.live()
  const start = stream.received[0]!.data['cursor'] as string
  const { first, conversations, sessions } = await aliceLives(t, url)
  const hidden = [...NAMES, AGENT, ADDRESS, ...sessions.map(({ id }) => id)]
  const seen = (text: string) => hidden.filter((one) => holds(one)(text))

  const owners = JSON.stringify([await first.devices.list(), sessions])
  t.strictSame(seen(owners), hidden, 'the owner sees all of it')

  for (const id of conversations) {
    await bob.fetchKeys(id)
    const { id: keyId } = [...bob.sessionKeys.values()].find(({ conversationId }) => conversationId === id)!
    for (const path of readable) {
      const filled = path.replace('{username}', 'alice').replace('{id}', id).replace('{keyId}', keyId)
      const query = { '/v1/users': '?prefix=ali', '/v1/presence': '?user=alice' }[path] ?? ''
      const [status, text] = await raw(bob, filled + query)
      t.equal(status, path.startsWith('/v1/admin/') ? 403 : 200, filled)
      t.strictSame(seen(text), [], filled)
    }
  }
  const [, chains] = await raw(bob, '/v1/users/chains', { users: [{ username: 'alice', after: 0 }] })
  t.match(chains, 'device-revoke')
  t.strictSame(seen(chains), [])
  t.strictSame(seen(JSON.stringify(expect(await bob.poll(start), 200).body)), [])
  await stream.waitFor(({ event }) => event === 'presence')
  await stream.until(() => stream.received.filter(({ event }) => event === 'message').length >= 3)
  t.ok(stream.received.some(({ event }) => event === 'device.chain'))
  t.strictSame(seen(JSON.stringify(stream.received)), [])
})
