import { InteropClient } from './interop/client.js'
import { generateKeys } from './interop/crypto.js'
import { expect } from './interop/http.js'
import type { Scope } from './server-process.js'

interface How {
  /** False for a device that was made by hand. */
  readonly kem?: boolean
  /** A user who is registered: then this is another device, not in the chain yet, with a session. */
  readonly of?: { readonly password: string }
}

/** A client that was written from docs/protocol.md only. Its sockets close with the test. */
export async function secondClient(
  owner: Scope,
  url: string,
  username: string,
  { kem = true, of }: How = {}
): Promise<InteropClient> {
  const password = of && { password: of.password }
  const client = await InteropClient.create(url, username, { keys: await generateKeys({ kem }), ...password })
  owner.teardown(() => client.close())
  expect(of === undefined ? await client.register() : await client.login(false), of ? 200 : 201)
  return client
}
