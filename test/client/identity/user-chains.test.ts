import { randomBytes, randomUUID } from 'node:crypto'
import t from 'tap'
import { generateSigningKeys } from '../../../src/crypto/keys.js'
import { signStatement, statementHash } from '../../../src/crypto/statements.js'
import type { ChatClient } from '../../../src/client/client.js'
import { MemoryStore } from '../../../src/client/stores/memory.js'
import type { UserChainPage } from '../../../src/protocol/accounts.js'
import { failure, Listener } from '../../support/chat-clients.js'
import { problem } from '../../support/fake-answers.js'
import { fakeClient, fakeUser, linkedDevice } from '../../support/fake-clients.js'
import { FakeServer } from '../../support/fake-server.js'
import { longestBlock } from '../../support/longest-block.js'
import {
  binding,
  nextPlace,
  publicKeys,
  puppetDevice,
  rekeyed,
  reset,
  revocation,
  type Puppet
} from '../../support/puppet.js'

type Item = UserChainPage['items'][number]

const server = new FakeServer()
const bob = await fakeUser(t, server, 'bob')
/** The server's own keys. */
const mallory = await puppetDevice()

/** The error of a look at a user whose chain the server shows as `lie` changes it. */
async function looked(client: ChatClient, { user }: Puppet, lie: (item: Item) => void): Promise<string> {
  server.lies.push(async ({ path, honest }) => {
    if (path !== '/v1/users/chains') return undefined
    const page = (await (await honest()).json()) as UserChainPage
    for (const item of page.items) if (item.username === user.username) lie(item)
    return page
  })
  const error = await failure(client.users.get(user.username)).finally(() => server.lies.pop())
  return `${error.kind} ${error.code}`
}

/** A user whom Bob has met. */
async function contact(username: string): Promise<Puppet> {
  const puppet = await server.puppet(username)
  await bob.users.get(username)
  return puppet
}

t.test(
  'A statement that the user’s devices have not signed is refused, at first sight and later',
  async (t) => {
    const amy = await contact('amy')
    const anna = await server.puppet('anna')
    for (const puppet of [amy, anna]) {
      const alone = await binding('device-add', nextPlace(puppet.user), mallory)
      const { signatures } = await signStatement(alone.text, mallory.signing)
      const inTheirName = { [puppet.device.signing.fingerprint]: Object.values(signatures)[0]! }
      const revoked = await revocation(nextPlace(puppet.user), puppet.device.id, mallory)
      const forgeries = [
        alone,
        { ...alone, signatures: { ...alone.signatures, ...inTheirName } },
        revoked,
        { ...revoked, signatures: inTheirName }
      ]
      for (const forgery of forgeries) {
        const code = await looked(bob, puppet, (item) => {
          item.items.push(forgery)
          item.keys.push(mallory.signing.publicKey, puppet.device.signing.publicKey)
        })
        t.equal(code, 'untrusted bad-signature')
      }
    }
    t.match(await bob.users.get('amy'), { devices: [{ id: amy.device.id }] })
  }
)

t.test('A chain that is not what was asked for is refused', async (t) => {
  const abe = await contact('abe')
  const ada = await server.puppet('ada')
  const lies: [(item: Item) => void, string][] = [
    [(item) => (item.username = 'someone'), 'other-answer'],
    [(item) => item.keys.push(mallory.signing.publicKey), 'other-answer'],
    [(item) => (item.head = 'ab'.repeat(32)), 'forked-chain'],
    [(item) => (item.items = [...ada.user.statements]), 'forbidden-statement'],
    [(item) => item.items.push({ text: 'nonsense', signatures: {} }), 'malformed-answer']
  ]
  for (const [lie, code] of lies) t.equal(await looked(bob, abe, lie), `untrusted ${code}`)
  t.equal(
    await looked(bob, ada, (item) => Object.assign(item, abe.user.page(0), { username: 'ada' })),
    'untrusted forbidden-statement',
    'a chain of somebody else'
  )
  t.equal(await looked(bob, ada, (item) => (item.keys = [])), 'untrusted bad-signature')
  t.match(await failure(bob.users.get('nobody')), { kind: 'refused', code: 'user-not-found', status: 404 })
})

t.test(
  'A chain with another statement in the place of a known one is refused, with both heads',
  async (t) => {
    const ava = await contact('ava')
    const end = nextPlace(ava.user)
    const fork = await binding('device-rekey', end, await rekeyed(ava.device))
    await ava.rekey()
    await bob.users.get('ava')
    const known = ava.user.head
    const served = await statementHash(fork.text)
    const onward = { ...end, sequence: end.sequence + 1, previous: served }
    const longer = await revocation(onward, randomUUID(), ava.device)
    const beginning = await binding('device-add', { ...end, sequence: 1, previous: '-' }, mallory)
    for (const statement of [fork, longer, beginning])
      t.equal(
        await looked(bob, ava, (item) => {
          item.items = [statement]
          item.keys = [mallory.signing.publicKey, ava.device.signing.publicKey]
        }),
        'untrusted forked-chain'
      )
    t.equal(await looked(bob, ava, (item) => (item.head = served)), 'untrusted forked-chain')
    server.lies.push(async ({ path, honest }) => {
      if (path !== '/v1/users/chains') return undefined
      const page = (await (await honest()).json()) as UserChainPage
      return { ...page, items: page.items.map((item) => ({ ...item, head: served })) }
    })
    t.match(await failure(bob.users.get('ava')), { code: 'forked-chain', heads: { known, served } })
    server.lies.pop()
    t.match(await bob.users.get('ava'), { head: known })
  }
)

t.test('The person may take the server’s chain; safety numbers are compared again', async (t) => {
  const eve = await contact('eve')
  await bob.contacts.verify('eve', await bob.contacts.safetyNumber('eve'))
  await eve.rekey()
  await bob.users.get('eve')
  const [first] = eve.user.statements
  await eve.user.restore(1)
  const other = await puppetDevice()
  await eve.user.append(
    await binding('device-add', nextPlace(eve.user), other, eve.device),
    publicKeys(other)
  )
  const { heads } = await failure(bob.users.get('eve'))
  t.match(heads, { served: eve.user.head })
  t.match(await failure(bob.users.accept('eve', heads!.known)), { kind: 'usage', code: 'other-head' })
  await bob.users.accept('eve', heads!.served)
  t.match(await bob.users.get('eve'), { head: heads!.served, devices: [{}, { id: other.id }] })
  t.match(await bob.contacts.get('eve'), { status: 'unverified', root: rootOf(first!.text) })
  t.match(await failure(bob.users.accept('bob', server.requireUser('bob').head)), { code: 'own-username' })
})

t.test('A server that was restored gets back what it lost, and the person hears of it once', async (t) => {
  const cleo = await contact('cleo')
  const tablet = await cleo.add()
  await cleo.revoke(tablet.id)
  const { head } = cleo.user
  await bob.users.get('cleo')
  const bobs = new Listener(t, bob)
  await bobs.first('connected')
  for (let round = 0; round < 2; round++) {
    await cleo.user.restore(1)
    t.match(await bob.users.get('cleo'), { head })
    t.equal(cleo.user.head, head, 'the keys of devices that are gone are not needed')
  }
  server.log.keepAlive('bob')
  const { error } = await bobs.first('untrusted', ({ username }) => username === 'cleo')
  t.equal(error.code, 'server-behind')
  await bobs.stop()
})

t.test('A server that stays behind keeps back nothing that was seen', async (t) => {
  const store = new MemoryStore()
  const dan = await fakeUser(t, server, 'dan', { store })
  const cara = await server.puppet('cara')
  const { conversationId } = await dan.send({ username: 'cara' }, 'hello')
  const phone = await cara.add()
  await cara.revoke(phone.id)
  await dan.users.get('cara')
  const { head } = cara.user
  await cara.user.restore(2)
  server.lies.push(({ path }) => (path === '/v1/users/cara/chain' ? problem('stale-chain') : undefined))
  t.match(await dan.users.get('cara'), { head, devices: [{ id: cara.device.id }] })
  t.match(await failure(dan.send(conversationId, 'a secret')), { kind: 'untrusted', code: 'server-behind' })
  await dan.close()
  const again = await fakeClient(t, server, { store })
  const heard = new Listener(t, again)
  await again.users.get('cara')
  server.log.keepAlive('dan')
  t.match(await heard.first('untrusted'), { username: 'cara', error: { code: 'server-behind' } })
  t.match(await again.users.get('cara'), { head })
  server.lies.pop()
})

t.test('The own statements are given back, with the keys of all own devices', async (t) => {
  const laptop = await fakeUser(t, server, 'fay')
  const fay = server.requireUser('fay')
  const phone = await linkedDevice(t, server, laptop)
  await phone.devices.rekey()
  await laptop.devices.rekey()
  const { head } = fay
  await fay.restore(1)
  await laptop.devices.list()
  t.equal(fay.head, head)
})

t.test('An answer that was on its way while the chain grew is no alarm', async (t) => {
  const ivy = await contact('ivy')
  const old = ivy.user.page(1)
  await ivy.rekey()
  await bob.users.get('ivy')
  let late = 1
  server.lies.push(({ path }) =>
    path === '/v1/users/chains' && late-- > 0 ? { items: [old], next: null } : undefined
  )
  const bobs = new Listener(t, bob)
  await bobs.first('connected')
  t.match(await bob.users.get('ivy'), { head: ivy.user.head })
  server.lies.pop()
  await ivy.rekey()
  await bob.users.get('ivy')
  t.notOk(bobs.heard.some((event) => event.type === 'untrusted' && event.username === 'ivy'))
  await bobs.stop()
})

t.test('An event brings the next statement without a request, and others after a look', async (t) => {
  const gil = await contact('gil')
  const bobs = new Listener(t, bob)
  await bobs.first('connected')
  server.seen.length = 0
  announce(await gil.rekey())
  await bobs.first('device-changed', ({ username }) => username === 'gil')
  t.strictSame(
    server.seen.filter(({ path }) => path === '/v1/users/chains'),
    []
  )
  t.match((await bob.users.get('gil')).head, gil.user.head)

  const forged = await binding('device-rekey', nextPlace(gil.user), await rekeyed(mallory))
  announce(forged)
  t.match(await bobs.first('untrusted', ({ error }) => error.code === 'forged-event'), {})
  await gil.add()
  announce(await gil.rekey())
  await bobs.first('device-changed', ({ username, change }) => username === 'gil' && change === 'rekeyed')
  t.match(await bob.users.get('gil'), { head: gil.user.head })
  await bobs.stop()

  function announce(statement: { text: string; signatures: Record<string, string> }): void {
    const sequence = Number(/^sequence (.*)$/m.exec(statement.text)![1])
    server.log.append(['bob'], 'device.chain', { userId: gil.user.id, username: 'gil', sequence, statement })
  }
})

t.test('A long chain is verified in turns, and a longer one is refused', async (t) => {
  const hal = await server.puppet('hal')
  // Nobody asks for the public keys behind the fingerprints of the devices that are gone.
  const { encryption, kem } = hal.device
  while (hal.user.statements.length < 700) {
    const signing = await generateSigningKeys({ extractable: true })
    const keys = {
      encryption: { ...encryption, fingerprint: randomBytes(32).toString('hex') },
      kem: { ...kem, fingerprint: randomBytes(32).toString('hex') }
    }
    await reset(hal.user, { ...hal.device, id: randomUUID(), signing, ...keys })
  }
  const { longest } = await longestBlock(() => bob.users.get('hal'))
  t.ok(longest < 200, `${Math.round(longest)} ms`)
  t.match(await bob.users.get('hal'), { head: hal.user.head })

  const last = hal.user.statements.at(-1)!
  t.equal(
    await looked(bob, hal, (item) => (item.items = Array.from({ length: 301 }, () => last))),
    'untrusted too-long-chain'
  )
})

t.test('Pages that never end are given up', async (t) => {
  const ian = await server.puppet('ian')
  const pages: UserChainPage[] = [
    { items: [], next: 'again' },
    { items: [ian.user.page(1)], next: 'again' },
    { items: [ian.user.page(0)], next: 'again' }
  ]
  for (const page of pages) {
    server.lies.push(({ path }) => (path === '/v1/users/chains' ? page : undefined))
    const { kind, code } = await failure(bob.users.get('ian'))
    t.match(`${kind} ${code}`, /^untrusted (endless-list|other-answer|too-long-chain)$/)
    server.lies.pop()
  }
})

t.test('A new statement costs the store the same, however long the chain is', async (t) => {
  const store = new MemoryStore()
  const jo = await fakeUser(t, server, 'joe', { store })
  const kim = await server.puppet('kim')
  const costs: number[] = []
  for (let round = 0; round < 12; round++) {
    const before = JSON.stringify(await store.list('')).length
    await kim.rekey()
    await jo.users.get('kim')
    costs.push(JSON.stringify(await store.list('')).length - before)
  }
  t.ok(Math.abs(costs.at(-1)! - costs[2]!) < 16, costs.join())
  t.ok(costs.at(-1)! < 4096)
})

function rootOf(text: string): string {
  return /^signing-key (.*)$/m.exec(text)![1]!
}
