import t from 'tap'
import { cheapKeys } from '../support/bad-input.js'
import { InteropClient } from '../support/interop/client.js'
import { expect } from '../support/interop/http.js'
import { startServer } from '../support/server-process.js'
import { outcome } from './features/invites/newcomers.js'

t.test('A server that others reach prints a link for its first account, until there is one', async (t) => {
  const server = await startServer(t, { env: { SERVER_HOST: '0.0.0.0', REGISTRATION: '' } })
  const printed = () => [...server.output.matchAll(/join (\S+)\/#\/join\/(\S+) NAME/g)]
  const [[, origin, early] = []] = printed()
  t.equal(origin, server.url)
  await server.restart('SIGTERM')
  const token = printed()[1]?.[2]
  t.ok(token)
  t.not(token, early)

  const alice = await InteropClient.create(server.url, 'alice', { keys: cheapKeys() })
  t.teardown(() => alice.close())
  t.equal(outcome(await alice.register()), '403 invitation-required')
  t.equal(outcome(await alice.register(early)), '403 invitation-unavailable', 'a new start replaces the link')
  t.match(expect(await alice.register(token), 201).body.user, { role: 'admin' })
  await server.restart('SIGTERM')
  t.equal(printed().length, 2, 'there is an account')
})

t.test('The link names the address that clients use', async (t) => {
  const server = await startServer(t, { env: { PUBLIC_URL: 'https://chat.example.org', REGISTRATION: '' } })
  t.match(server.output, /join https:\/\/chat\.example\.org\/#\/join\/[A-Za-z0-9_-]{22} NAME/)
})
