import t from 'tap'
import { failure } from '../../support/chat-clients.js'
import type { ChatClient } from '../../../src/client/client.js'
import { noAnswer, problem } from '../../support/fake-answers.js'
import { fakeClient } from '../../support/fake-clients.js'
import type { FakeServer } from '../../support/fake-server.js'
import type { FakeRequest } from '../../support/fake-world.js'
import { outcome, scene } from '../../support/malicious-server.js'
import { line } from '../../support/puppet-conversation.js'
import type { ProblemCode } from '../../../src/protocol/problems.js'

/** Bob is an admin of a group of Alice's. Carol is not in it. */
async function group() {
  const all = await scene(t, ['alice'])
  const carol = await all.server.puppet('carol')
  await all.talk.change([{ kind: 'conversation-role', member: line(all.user, 'admin') }], all.alice.device)
  await all.bob.conversations.get(all.talk.id)
  return { ...all, carol }
}

const isChange = ({ method, path }: FakeRequest): boolean =>
  method === 'POST' && /\/(chain|session-keys)$/.test(path)

/** The bodies of all requests that extend a conversation's chain. */
const changes = ({ seen }: FakeServer): string[] =>
  seen.filter(isChange).map(({ body }) => JSON.stringify(body))

/** Statements of a chain by their kinds. */
const kinds = (texts: readonly { text: string }[]): string[] =>
  texts.map(({ text }) => /^secure-chat\/v1 conversation-(.*)$/m.exec(text)![1]!)

t.test(
  'A request without an answer is sent again as it was, after a restart, before another is signed',
  async (t) => {
    for (const isTaken of [true, false]) {
      const { server, bob, talk, store } = await group()
      server.seen.length = 0
      server.lies.push(async (request) => {
        if (!isChange(request)) return undefined
        if (isTaken) await request.honest()
        return noAnswer()
      })
      t.match(await failure(bob.conversations.add(talk.id, 'carol')), { code: 'overloaded' })
      t.match(await failure(bob.conversations.setTimer(talk.id, 60)), { code: 'overloaded' })
      await bob.close()
      const again = await fakeClient(t, server, { store })
      t.match(await failure(again.conversations.setTimer(talk.id, 60)), { code: 'overloaded' })
      t.equal(new Set(changes(server)).size, 1)
      server.lies.length = 0
      await again.conversations.setTimer(talk.id, 60)
      t.equal(new Set(changes(server)).size, 2)
      const signed = ['create', 'key', 'role', 'key', 'add', 'key', 'timer', 'key']
      t.strictSame(kinds(talk.conversation.statements), signed)
      await again.send(talk.id, 'done')
    }
  }
)

t.test('An answer that decides nothing ends no request: 401, 408, 429 and all of 5xx', async (t) => {
  const codes: ProblemCode[] = ['session-ended', 'request-timeout', 'too-many-requests', 'internal-error']
  for (const code of codes) {
    const { server, bob, talk } = await group()
    server.lies.push((request) => (isChange(request) ? noAnswer(code) : undefined))
    await failure(bob.conversations.add(talk.id, 'carol'))
    server.lies.length = 0
    await bob.login({ username: 'bob', password: 'correct horse battery staple' })
    await bob.flush()
    t.ok(talk.conversation.members.has('carol'), code)
    t.equal(new Set(changes(server)).size, 1, code)
  }
})

t.test('A change that the server confirms and does not make is told, and waits', async (t) => {
  const { server, bob, talk } = await group()
  const head = 'ab'.repeat(32)
  server.lies.push((request) =>
    isChange(request) ? { head, sequence: 99, lastPosition: server.log.position } : undefined
  )
  t.match(await failure(bob.conversations.add(talk.id, 'carol')), { code: 'ignored-request' })
  t.match(await failure(bob.conversations.setTimer(talk.id, 60)), { code: 'ignored-request' })
  t.match(await failure(bob.conversations.leave(talk.id)), { code: 'ignored-request' })
  t.equal(new Set(changes(server)).size, 1)
  server.lies.length = 0
  await bob.flush()
  t.ok(talk.conversation.members.has('carol'))
})

t.test('A change that is refused after a restart is told, unless somebody has made it', async (t) => {
  const works: [string, (bob: ChatClient, id: string) => Promise<unknown>][] = [
    ['carol added', (bob, id) => bob.conversations.add(id, 'carol')],
    ['dora removed', (bob, id) => bob.conversations.remove(id, 'dora')],
    ['alice as member', (bob, id) => bob.conversations.setRole(id, 'alice', 'member')],
    ['you leave', (bob, id) => bob.conversations.leave(id)],
    ['a new group', (bob) => bob.conversations.createGroup('ops', ['carol'])]
  ]
  for (const [words, work] of works) {
    const { server, bob, talk, alice, store } = await group()
    const dora = await server.puppet('dora')
    await talk.change([{ kind: 'conversation-add', member: line(dora.user) }], alice.device)
    const isIt = (request: FakeRequest) =>
      isChange(request) || (request.method === 'POST' && request.path === '/v1/conversations')
    server.lies.push((request) => (isIt(request) ? noAnswer() : undefined))
    t.match(await failure(work(bob, talk.id)), { code: 'overloaded' })
    await bob.close()
    server.lies.length = 0
    server.lies.push((request) => (isIt(request) ? problem('not-admin') : undefined))
    const again = await fakeClient(t, server, { store })
    await again.flush()
    const told = again.noticed().map((event) => event.type === 'untrusted' && event.error)
    t.match(told, [{ code: 'refused-request', message: new RegExp(words) }])
    await again.flush()
    t.strictSame(again.noticed(), [], 'once')
    t.strictSame(await store.list('lost-request/'), [])
  }

  const { server, bob, talk, alice, store } = await group()
  server.lies.push((request) => (isChange(request) ? noAnswer() : undefined))
  await failure(bob.conversations.setTimer(talk.id, 60))
  await bob.close()
  server.lies.length = 0
  await talk.change([{ kind: 'conversation-timer', messageTtl: 60 }], alice.device)
  const again = await fakeClient(t, server, { store })
  await again.flush()
  t.strictSame(again.noticed(), [])
})

t.test('A request that the server refuses and takes counts, by the chain', async (t) => {
  const { server, bob, talk } = await group()
  server.lies.push(async (request) => {
    if (!isChange(request)) return undefined
    await request.honest()
    return problem('not-admin')
  })
  const { members } = await bob.conversations.add(talk.id, 'carol')
  t.ok(members.some(({ username }) => username === 'carol'))
  server.lies.length = 0
  await bob.send(talk.id, 'with her')
  t.equal(talk.conversation.messages.at(-1)!.key, talk.conversation.key.hash)
})

t.test('A refusal by a server that hides the end of the chain ends no request', async (t) => {
  const { server, bob, talk } = await group()
  const whole = talk.conversation
  const cut = await whole.fork(1, server.users)
  server.lies.push((request) => (isChange(request) ? problem('not-admin') : undefined))
  server.conversations.set(talk.id, cut)
  t.equal(await outcome(bob.conversations.add(talk.id, 'carol')), 'server-behind')
  server.conversations.set(talk.id, whole)
  server.lies.unshift(async (request) => {
    if (!isChange(request)) return undefined
    await request.honest()
    server.conversations.set(talk.id, cut)
    return problem('not-admin')
  })
  t.equal(await outcome(bob.conversations.add(talk.id, 'carol')), 'server-behind')
  server.conversations.set(talk.id, whole)
  server.lies.length = 0
  await bob.flush()
  t.equal(new Set(changes(server)).size, 1)
  await bob.send(talk.id, 'with her')
})

t.test('A change that seems made already is told as done only while the chain is in no doubt', async (t) => {
  for (const code of ['server-behind', 'forked-chain'] as const) {
    const { server, bob, talk, alice } = await group()
    await bob.conversations.setTimer(talk.id, 60)
    const shown = await talk.conversation.fork(1, server.users)
    server.conversations.set(talk.id, shown)
    talk.conversation = shown
    if (code === 'forked-chain') await talk.change([], alice.device)
    const calls = [
      () => bob.conversations.setTimer(talk.id, 60),
      () => bob.conversations.setRole(talk.id, 'alice', 'admin'),
      () => bob.conversations.remove(talk.id, 'carol')
    ]
    server.seen.length = 0
    for (const call of calls) t.equal(await outcome(call()), code)
    t.strictSame(changes(server), [])
  }
})

t.test('A request is not over when the server says that there is no such conversation', async (t) => {
  const { server, bob, talk, store } = await group()
  const hidden = problem('conversation-not-found')
  for (const work of [
    () => bob.conversations.add(talk.id, 'carol'),
    () => bob.conversations.leave(talk.id)
  ]) {
    let isHidden = false
    server.lies.push(async (request) => {
      if (isChange(request)) {
        await request.honest()
        isHidden = true
      }
      return isHidden && request.path.startsWith(`/v1/conversations/${talk.id}`) ? hidden.clone() : undefined
    })
    t.equal(await outcome(work()), 'conversation-not-found')
    t.equal((await store.list('pending-request/')).length, 1)
    server.lies.length = 0
    await bob.flush()
    t.strictSame(await store.list('pending-request/'), [])
  }
  t.strictSame([...talk.conversation.members.keys()], ['alice', 'carol'])
  t.equal(new Set(changes(server)).size, 2)
})

t.test('A newcomer who has changed keys meanwhile is looked at again, and added', async (t) => {
  const { server, bob, talk, carol } = await group()
  let isFirst = true
  server.lies.push(async (request) => {
    if (isChange(request) && isFirst) await carol.rekey()
    if (isChange(request)) isFirst = false
  })
  await bob.conversations.add(talk.id, 'carol')
  t.ok(talk.conversation.members.has('carol'))
  t.equal(talk.conversation.members.get('carol')!.state.head, carol.user.head)
})

t.test(
  'After a refusal, another request takes another key, and nothing of the first one stays',
  async (t) => {
    const { server, bob, talk, alice, store } = await group()
    server.lies.push((request) => (isChange(request) ? noAnswer() : undefined))
    await failure(bob.conversations.add(talk.id, 'carol'))
    server.lies.length = 0
    await talk.change([{ kind: 'conversation-timer', messageTtl: 60 }], alice.device)
    server.seen.length = 0
    await bob.conversations.add(talk.id, 'carol')
    const keys = server.seen.filter(isChange).map(({ body }) => body.key as { id: string })
    t.equal(keys.length, 2, 'the first is refused, since the chain has moved')
    t.not(keys[0]!.id, keys[1]!.id)
    t.strictSame(await store.list('pending-request/'), [])
    const kept = await store.list<{ id: string }>('key/')
    t.notOk(kept.some(([, { id }]) => id === keys[0]!.id))
    t.ok(kept.some(([, { id }]) => id === keys[1]!.id))
  }
)

t.test('Requests at the same time go one after the other, and none is lost', async (t) => {
  const { bob, server, talk } = await group()
  await server.puppet('dora')
  await Promise.all([
    bob.conversations.add(talk.id, 'carol'),
    bob.conversations.add(talk.id, 'dora'),
    bob.conversations.setTimer(talk.id, 60),
    bob.send(talk.id, 'meanwhile')
  ])
  t.strictSame([...talk.conversation.members.keys()], ['alice', 'bob', 'carol', 'dora'])
  t.equal(talk.conversation.chain.messageTtl, 60)
})

t.test('Many requests at once are made one by one, each once', async (t) => {
  const { bob, server, talk } = await group()
  const names = Array.from({ length: 12 }, (_, at) => `user-${at}`)
  for (const name of names) await server.puppet(name)
  server.seen.length = 0
  await Promise.all(names.map((name) => bob.conversations.add(talk.id, name)))
  t.equal(talk.conversation.members.size, 2 + names.length)
  t.equal(changes(server).length, names.length)
})

t.test('A user who leaves is out when the chain says so, and not by the server’s word', async (t) => {
  const { server, bob, talk, store } = await group()
  const isOfTalk = ({ path }: FakeRequest) => path.startsWith(`/v1/conversations/${talk.id}`)
  let isTold = false
  server.lies.push((request) => {
    if (isTold && isOfTalk(request)) return problem('conversation-not-found')
    isTold = isChange(request)
    return isTold ? { head: 'ab'.repeat(32), sequence: 99, lastPosition: 1 } : undefined
  })
  t.match(await failure(bob.conversations.leave(talk.id)), { code: 'conversation-not-found' })
  t.ok(talk.conversation.members.has('bob'))
  t.equal((await store.list('pending-request/')).length, 1)
  server.lies.length = 0
  server.lies.push(async (request) => {
    if (isChange(request)) await request.honest()
    return isChange(request) ? noAnswer() : undefined
  })
  t.match(await failure(bob.conversations.leave(talk.id)), { code: 'overloaded' })
  await bob.close()
  server.lies.length = 0
  const again = await fakeClient(t, server, { store })
  await again.flush()
  t.strictSame(await store.list('pending-request/'), [])
  t.match(await again.conversations.get(talk.id), { joined: false, members: [{ username: 'alice' }] })
})
