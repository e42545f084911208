import t from 'tap'
import type { ChatClient } from '../../../src/client/client.js'
import { client, failure, PASSWORD } from '../../support/chat-clients.js'
import { maliciousServer } from '../../support/malicious-server.js'

const { proxy, url, victim, user } = await maliciousServer(t)
const alice = await user('alice')
await victim('carol')
let sealed: Uint8Array<ArrayBuffer>
const watched: typeof fetch = (input, init) => {
  if (init?.method === 'PUT') sealed = init.body as Uint8Array<ArrayBuffer>
  return fetch(input, init)
}
const bob = await victim('bob', { fetch: watched })
const group = await alice.createConversation('group', ['bob'])

t.afterEach(() => proxy.tamper({}))

async function backup(of: ChatClient): Promise<{ blob: Uint8Array<ArrayBuffer>; code: string }> {
  const { recoveryCode } = await of.backup.create()
  return { blob: sealed, code: recoveryCode! }
}

/** The error of a restore for which the server serves this backup. */
async function restored(username: string, blob: Uint8Array<ArrayBuffer>, code: string): Promise<string> {
  const shows: typeof fetch = async (input, init) => {
    const answer = await fetch(input, init)
    const { pathname } = new URL(input)
    return pathname === '/v1/users/me/key-backup' ? new Response(blob, { headers: answer.headers }) : answer
  }
  const chat = await client(t, url, { fetch: shows })
  const error = await failure(chat.backup.restore({ username, password: PASSWORD, code }))
  t.equal(chat.account, null, 'nothing was taken over')
  return `${error.kind} ${error.code}`
}

t.test('A backup that was changed, cut, replaced since, or is of somebody else is refused', async (t) => {
  const old = await backup(bob)
  const { blob, code } = await backup(bob)
  const changed = blob.slice()
  changed[blob.length - 1]! ^= 1
  t.equal(await restored('bob', changed, code), 'untrusted tampered-backup')
  t.equal(await restored('bob', blob.slice(0, -1), code), 'untrusted tampered-backup')
  t.equal(await restored('bob', blob.slice(0, 9), code), 'untrusted tampered-backup')
  t.equal(await restored('carol', blob, code), 'untrusted tampered-backup')
  t.equal(await restored('bob', old.blob, old.code), 'untrusted old-backup')
})

t.test('A list that never ends is given up', async (t) => {
  for (const items of [undefined, []]) {
    let page: unknown[] = []
    proxy.tamper({
      answer(answer) {
        if (!answer.path.startsWith('/v1/conversations?')) return
        if (answer.status === 200) page = answer.body.items
        Object.assign(answer, { status: 200, body: { items: items ?? page, next: 'again' } })
      }
    })
    t.match(await failure(bob.conversations.list()), { kind: 'untrusted', code: 'endless-list' })
  }
})

t.test('Another conversation than the one that was meant is refused', async (t) => {
  await alice.createConversation('direct', ['bob'])
  proxy.tamper({ answer: ({ status, body }) => status === 409 && (body.conversationId = group.id) })
  const { kind, code } = await failure(bob.send({ username: 'alice' }, 'for you alone'))
  t.equal(`${kind} ${code}`, 'untrusted moved-conversation')
})

t.test('An answer of the wrong form is refused', async (t) => {
  const malformed = { kind: 'untrusted', code: 'malformed-answer' }
  proxy.tamper({ answer: ({ body }) => delete body.head })
  t.match(await failure(bob.conversations.get(group.id)), malformed)
  proxy.tamper({ answer: ({ body }) => delete body.root })
  t.match(await failure(bob.users.get('alice')), malformed)
  proxy.tamper({ answer: (answer) => (answer.body = [answer.body]) })
  t.match(await failure(bob.conversations.list()), malformed)
})
