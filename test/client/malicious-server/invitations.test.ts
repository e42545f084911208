import t from 'tap'
import { client, failure, Listener, PASSWORD, registered } from '../../support/chat-clients.js'
import { expect } from '../../support/interop/http.js'
import type { Scope } from '../../support/server-process.js'
import { startChat } from '../../support/start-chat.js'
import { tamperingProxy, type Answer } from '../../support/tampering-proxy.js'

const [honest, other] = [await startChat(t), await startChat(t)]
const alice = await registered(t, honest.url, 'alice')

// The chain that a server could make for Alice's name: valid, under a root of its own.
const impostor = await other.user('alice')
const asked = { body: { users: [{ username: 'alice', after: 0 }] } }
const served = expect(await impostor.raw<{ items: object[] }>('POST', '/v1/users/chains', asked), 200)
const [forged] = served.body.items

/** A server that shows Alice under its own root, once she was looked at so often. */
async function swapping(scope: Scope, looks: number) {
  const proxy = await tamperingProxy(scope, honest.url)
  const posted: string[] = []
  let seen = 0
  const isOfAlice = ({ path, body }: Answer) =>
    path.startsWith('/v1/users/chains') &&
    (body as { items: { username: string }[] }).items.some(({ username }) => username === 'alice')
  proxy.tamper({
    answer: (answer) => {
      if (answer.method === 'POST') posted.push(answer.path)
      if (!isOfAlice(answer) || ++seen <= looks) return
      // The client has the statements since the first time.
      const rest = seen === looks + 1 ? {} : { items: [], keys: [] }
      ;(answer.body as { items: unknown[] }).items = [{ ...forged, ...rest }]
    }
  })
  const { link } = await alice.invitations.create()
  return { proxy, posted, invite: link.replace(honest.url, proxy.url) }
}

t.test('Nothing is sent to an inviter for whom the server shows another root than the link', async (t) => {
  const { proxy, posted, invite } = await swapping(t, 0)
  const bob = await client(t, proxy.url)
  const error = await failure(bob.register({ username: 'bob', password: PASSWORD, invite }))
  t.match(error, { kind: 'untrusted', code: 'forged-invitation', message: /Nothing was sent to alice/ })
  t.same([bob.account, posted.includes('/v1/conversations')], [null, false])
  t.match(await failure(bob.send({ username: 'alice' }, 'x')), { code: 'no-account' })
})

t.test('A root that is swapped after the registration is an alarm, and nothing is sent', async (t) => {
  const { proxy, posted, invite } = await swapping(t, 1)
  const carol = await client(t, proxy.url)
  await carol.register({ username: 'carol', password: PASSWORD, invite })
  t.notOk(posted.includes('/v1/conversations'))
  t.match(await failure(carol.send({ username: 'alice' }, 'x')), { kind: 'identity-changed' })
  t.match(await carol.contacts.get('alice'), { status: 'changed', wasVerified: true })
  const heard = new Listener(t, carol)
  await heard.first('untrusted', ({ error, username }) => {
    return error.code === 'forged-invitation' && username === 'alice'
  })
  t.notOk(posted.includes('/v1/conversations'))
})
