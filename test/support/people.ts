import { cheapKeys } from './bad-input.js'
import type { Scope } from './server-process.js'
import type { InteropOptions } from './interop/account.js'
import type { EventStream } from './interop/events.js'
import { expect } from './interop/http.js'
import { InteropClient } from './interop/client.js'

/** A registered user whose sockets close with the test, with keys that cost nothing and open nothing. */
export async function user(
  owner: Scope,
  { url }: { readonly url: string },
  name: string,
  options: InteropOptions = {}
): Promise<InteropClient> {
  const client = await InteropClient.create(url, name, { keys: cheapKeys(), ...options })
  owner.teardown(() => client.close())
  expect(await client.register(), 201)
  return client
}

/** Another session of the same device, with tokens of its own. */
export async function anotherSession(
  owner: Scope,
  of: InteropClient,
  base = of.base
): Promise<InteropClient> {
  const session = await InteropClient.create(base, of.username, { keys: of.keys, password: of.password })
  owner.teardown(() => session.close())
  ;(session as { deviceId: string }).deviceId = of.deviceId
  expect(await session.login(), 200)
  return session
}

/** Another device of a user, added and with a session. */
export async function anotherDevice(
  owner: Scope,
  { url }: { readonly url: string },
  of: InteropClient
): Promise<InteropClient> {
  const device = await InteropClient.create(url, of.username, { keys: cheapKeys(), password: of.password })
  owner.teardown(() => device.close())
  expect(await device.login(false), 200)
  expect(await device.addDevice(of.keys), 201)
  return device
}

/** A conversation with a session key, ready to be sent in. */
export async function conversation(
  of: InteropClient,
  others: readonly InteropClient[],
  kind: 'group' | 'direct' = 'group'
): Promise<string> {
  const names = others.map(({ username }) => username)
  const { id, answer } = await of.createConversation(kind, names)
  expect(answer, 201)
  return id
}

/** The id of a session, as its access token says it. */
export function sessionId({ accessToken }: InteropClient): string {
  const claims = Buffer.from(accessToken!.split('.')[1]!, 'base64url').toString()
  return (JSON.parse(claims) as { sid: string }).sid
}

/** The reason that a stream gives before it ends. */
export async function lastWord(stream: EventStream): Promise<unknown> {
  const { data } = await stream.waitFor(({ event }) => event === 'session.ended', 'session.ended')
  await stream.over()
  return data['reason']
}
