import { createHash, randomBytes, randomUUID } from 'node:crypto'
import t, { type Test } from 'tap'
import { MAX_CHANGES } from '../../../src/protocol/conversation-chain.js'
import { statementText } from '../../../src/protocol/statement-texts.js'
import { MAX_MEMBERS } from '../../../src/protocol/statements.js'
import { LAST_SEQUENCE } from '../../../src/protocol/user-chain.js'
import { generateSigningKeys } from '../../../src/crypto/keys.js'
import type { ChatClient } from '../../../src/client/client.js'
import { MemoryStore } from '../../../src/client/stores/memory.js'
import { costOf, EVENT_BYTES, LONGEST_BLOCK, MEMBER_BYTES } from '../../support/client-costs.js'
import { problem } from '../../support/fake-answers.js'
import { fakeClient } from '../../support/fake-clients.js'
import { outcome, scene } from '../../support/malicious-server.js'
import { reset, type Puppet } from '../../support/puppet.js'
import { line, type Change } from '../../support/puppet-conversation.js'
import { puppetCrowd } from '../../support/puppet-crowd.js'
import { puppetTalk, type PuppetTalk } from '../../support/puppet-talk.js'

const HASH = 'ab'.repeat(32)

/** Bob has heard all that the stream has brought. */
async function listening(t: Test) {
  const all = await scene(t, ['alice'])
  const heard = await all.listen()
  let ends = 0
  const heardAll = async (): Promise<void> => {
    await all.talk.say(all.alice, `end ${++ends}`, ends)
    await heard.message(`end ${ends}`)
  }
  await heardAll()
  return { ...all, heard, heardAll }
}

/** Runs work of the test; the events that it appends are told later. @returns tells them */
async function silently<T>(
  { log }: { log: { append: (...given: Append) => number } },
  work: () => Promise<T>
) {
  const append = log.append.bind(log)
  const events: Append[] = []
  log.append = (...given) => events.push(given)
  try {
    const result = await work()
    return { result, tell: () => events.forEach((event) => append(...event)) }
  } finally {
    log.append = append
  }
}
type Append = Parameters<Awaited<ReturnType<typeof scene>>['server']['log']['append']>

/** Resets with keys that nobody asks for. */
async function grow(puppet: Puppet, length: number): Promise<void> {
  const { encryption, kem } = puppet.device
  while (puppet.user.statements.length < length) {
    const keys = {
      signing: await generateSigningKeys({ extractable: true }),
      encryption: { ...encryption, fingerprint: randomBytes(32).toString('hex') },
      kem: { ...kem, fingerprint: randomBytes(32).toString('hex') }
    }
    await reset(puppet.user, { ...puppet.device, id: randomUUID(), ...keys })
  }
}

t.test('The largest group blocks nobody who is in it, nor do its changes', async (t) => {
  const { server, bob, store, user, heardAll } = await listening(t)
  const crowd = await puppetCrowd(server, MAX_MEMBERS - 1)
  const [maker, ...others] = crowd as [Puppet, ...Puppet[]]
  const members = [...crowd, { user }].map((one) => [one.user, 'admin'] as const)
  const groups: PuppetTalk[] = []
  const created = await costOf(store, async () => {
    const { result, tell } = await silently(server, () => puppetTalk(server, 'group', members, maker))
    groups.push(result)
    return async () => {
      tell()
      await heardAll()
    }
  })
  t.ok(created.block < LONGEST_BLOCK, `a group: ${created.block} ms`)
  t.ok(created.bytes < EVENT_BYTES + MAX_MEMBERS * MEMBER_BYTES, `a group: ${created.bytes} bytes`)

  const group = groups[0]!
  const { block, bytes } = await costOf(store, async (round) => {
    const role = round % 2 === 0 ? 'member' : 'admin'
    const changes = others.slice(0, MAX_CHANGES).map((one) => {
      return { kind: 'conversation-role', member: line(one.user, role) } as const
    })
    const { tell } = await silently(server, () => group.change(changes, maker.device))
    return async () => {
      tell()
      await heardAll()
      t.equal((await bob.conversations.get(group.id)).head, group.conversation.head)
    }
  })
  t.ok(block < LONGEST_BLOCK, `${MAX_CHANGES} changes: ${block} ms`)
  t.ok(bytes < EVENT_BYTES, `${MAX_CHANGES} changes: ${bytes} bytes`)

  await bob.close()
  let again: ChatClient
  const restarted = await costOf(store, async () => {
    again = await fakeClient(t, server, { store })
    return () => again.conversations.get(group.id)
  })
  t.ok(restarted.block < LONGEST_BLOCK, `after a restart: ${restarted.block} ms`)

  server.lies.push(({ method, path }) =>
    method === 'POST' && path.endsWith('/chain') ? problem('not-admin') : undefined
  )
  const sealed = await costOf(store, async (round) => {
    again = await fakeClient(t, server, { store })
    await again.conversations.get(group.id)
    return async () => t.equal(await outcome(again.conversations.setTimer(group.id, 60 + round)), 'not-admin')
  })
  t.ok(sealed.block < LONGEST_BLOCK, `a key for it: ${sealed.block} ms`)
})

t.test('The longest chain of a user blocks nobody, and costs each conversation the same', async (t) => {
  const { server, bob, store, user, heardAll } = await listening(t)
  const mallory = await server.puppet('mallory')
  await grow(mallory, LAST_SEQUENCE['device-reset'] - 1)
  await mallory.reset()
  await bob.users.get('mallory')
  const { block, bytes } = await costOf(store, async () => {
    const members = [[mallory.user, 'admin'] as const, [user] as const]
    const { tell } = await silently(server, () => puppetTalk(server, 'group', members, mallory))
    return async () => {
      tell()
      await heardAll()
    }
  })
  t.ok(block < LONGEST_BLOCK, `another conversation: ${block} ms`)
  t.ok(bytes < EVENT_BYTES + 2 * MEMBER_BYTES, `another conversation: ${bytes} bytes`)

  await bob.close()
  const restarted = await costOf(store, async () => {
    const again = await fakeClient(t, server, { store })
    return () => again.users.get('mallory')
  })
  t.ok(restarted.block < LONGEST_BLOCK, `after a restart: ${restarted.block} ms`)
})

t.test('A chain of many links blocks nobody, whatever the page that the server makes of it', async (t) => {
  const { server, bob, talk, alice, user, store } = await scene(t, ['alice'])
  const role = (at: number) => line(user, at % 2 === 0 ? 'admin' : 'member')
  const changes = Array.from({ length: MAX_CHANGES }, (_, at) => {
    return { kind: 'conversation-role', member: role(at) } as const
  })
  for (let requests = 0; requests < 30; requests++) await talk.change(changes, alice.device)
  await bob.close()
  const met = await costOf(store, async () => {
    const fresh = new MemoryStore()
    for (const [name, value] of await store.list('')) await fresh.update((tx) => tx.set(name, value))
    const again = await fakeClient(t, server, { store: fresh })
    return () => again.conversations.get(talk.id)
  })
  t.ok(met.block < LONGEST_BLOCK, `at first sight: ${met.block} ms`)

  const link = talk.conversation.statements.at(-1)!
  const page = JSON.stringify({
    head: HASH,
    lastPosition: 1,
    items: Array.from({ length: 5000 }, () => link),
    next: null
  })
  const headers = { 'content-type': 'application/json' }
  server.lies.push(({ path }) => (path.endsWith('/chain') ? new Response(page, { headers }) : undefined))
  const refused = await costOf(store, async () => {
    const again = await fakeClient(t, server, { store })
    return async () => t.equal(await outcome(again.conversations.get(talk.id)), 'ghost-member')
  })
  t.ok(refused.block < LONGEST_BLOCK, `what is no chain: ${refused.block} ms`)
  server.lies.length = 0

  const chat = await fakeClient(t, server, { store })
  await chat.conversations.get(talk.id)
  await chat.close()
  let turn = 0
  const next = (): Change => ({ kind: 'conversation-role', member: role(turn++) })
  await extend(store, talk, next, 300 * (MAX_CHANGES + 1))
  const restarted = await costOf(store, async () => {
    const again = await fakeClient(t, server, { store })
    return () => again.conversations.get(talk.id)
  })
  t.ok(restarted.block < LONGEST_BLOCK, `after a restart: ${restarted.block} ms`)
})

/** More links in the store, as the client keeps those that it has verified. */
async function extend(
  store: MemoryStore,
  { id, conversation: { chain } }: PuppetTalk,
  change: () => Change,
  count: number
): Promise<void> {
  let { sequence, head: previous } = chain
  await store.update(async (tx) => {
    for (let at = 1; at <= count; at++) {
      const place = { conversation: id, sequence: ++sequence, previous, by: chain.key.by }
      const key = { kind: 'conversation-key', sessionKey: randomUUID(), commitment: HASH } as const
      const text = statementText(
        at % (MAX_CHANGES + 1) === 0
          ? { ...key, state: [], roster: HASH, ...place }
          : { ...change(), ...place }
      )
      previous = createHash('sha256').update(text).digest('hex')
      tx.set(`chain/${id}/${String(sequence).padStart(9, '0')}`, { hash: previous, text })
      if (at % (MAX_CHANGES + 1) === 0)
        tx.set(`room/${id}`, { ...(await tx.get<{ id: string }>(`room/${id}`)), sequence, head: previous })
    }
  })
}
