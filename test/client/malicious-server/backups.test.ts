import t from 'tap'
import { MemoryStore } from '../../../src/client/stores/memory.js'
import { cheapArgon2 } from '../../support/cheap-argon2.js'
import { failure, Listener, PASSWORD } from '../../support/chat-clients.js'
import { eventually } from '../../support/eventually.js'
import { fakeClient, fakeUser, linkedDevice } from '../../support/fake-clients.js'
import { FakeServer } from '../../support/fake-server.js'
import { TIME } from '../../support/fake-user.js'
import { outcome } from '../../support/malicious-server.js'
import { shortenWaits } from '../../support/short-waits.js'
import { puppetDevice, request } from '../../support/puppet.js'

cheapArgon2(t)

const PASSPHRASE = 'four words of bob, ①'
/** The same by another keyboard. */
const SAME = 'four words of bob, 1'
const who = { username: 'bob', password: PASSWORD }

t.test('An older backup brings no revoked device back on a device that is restored again', async (t) => {
  const server = new FakeServer()
  const bob = await fakeUser(t, server, 'bob')
  const user = server.requireUser('bob')
  const phone = await puppetDevice()
  user.waiting.set(phone.id, await request(user, phone))
  await bob.devices.approve(phone.id, { number: await bob.devices.linkNumber(phone.id) })
  await bob.backup.create({ passphrase: PASSPHRASE })
  const past = await user.fork(user.statements.length)
  past.password = PASSWORD
  past.backup = user.backup
  await bob.devices.revoke(phone.id)
  await bob.close()

  const restored = await fakeClient(t, server)
  const { recoveryCode } = await restored.restore({ ...who, passphrase: PASSPHRASE })
  await restored.close()

  // The server shows everything as it was before the revocation.
  server.users.set('bob', past)
  const again = await fakeClient(t, server)
  const secret = recoveryCode === null ? { passphrase: PASSPHRASE } : { code: recoveryCode }
  t.equal(await outcome(again.restore({ ...who, ...secret })), 'other-backup-kind')
  t.equal(again.account, null)
})

t.test('A passphrase that opens the present backup is refused for the next one, at no cost', async (t) => {
  const server = new FakeServer()
  const bob = await fakeUser(t, server, 'bob')
  const user = server.requireUser('bob')
  t.strictSame(await bob.backup.create({ passphrase: PASSPHRASE }), { recoveryCode: null })
  const backup = user.backup!
  const { length } = user.statements
  const reused = { kind: 'usage', code: 'reused-passphrase' }
  t.match(await failure(bob.backup.create({ passphrase: SAME })), reused)
  t.match(await failure(bob.backup.create({ passphrase: 'short' })), { code: 'bad-passphrase' })
  // The server alters what stands after the header.
  const altered = backup.bytes.with(-1, backup.bytes.at(-1)! ^ 1)
  user.backup = { ...backup, bytes: altered }
  t.match(await failure(bob.backup.create({ passphrase: PASSPHRASE })), reused)
  t.equal(user.backup.bytes, altered)

  server.seen.length = 0
  const fresh = await fakeClient(t, server)
  const restored = (newPassphrase: string) =>
    failure(fresh.restore({ ...who, passphrase: PASSPHRASE, newPassphrase }))
  t.match(await restored(PASSPHRASE), reused)
  t.match(await restored(SAME), reused)
  t.match(await restored('short'), { code: 'bad-passphrase' })
  t.strictSame(server.seen, [])
  t.equal(user.statements.length, length, 'no recovery device was added')

  user.backup = { ...backup, bytes: new Uint8Array(100) }
  t.strictSame(await bob.backup.create({ passphrase: PASSPHRASE }), { recoveryCode: null })
  t.not(user.backup.bytes.length, 100, 'one that nothing opens is replaced')
})

t.test(
  'A backup that another device makes, or removes, ends the older one, whoever has kept it',
  async (t) => {
    for (const isRemoved of [false, true]) {
      const server = new FakeServer()
      const bob = await fakeUser(t, server, 'bob')
      const user = server.requireUser('bob')
      const { recoveryCode } = await bob.backup.create()
      const kept = user.backup
      const phone = await linkedDevice(t, server, bob)
      await (isRemoved ? phone.backup.remove() : phone.backup.create())
      const devices = [...user.history!.chain.devices.values()]
      t.equal(devices.filter(({ purpose }) => purpose === 'recovery').length, isRemoved ? 0 : 1)

      // The server shows the older blob, and lets its device log in.
      user.backup = kept
      server.lies.push(({ path, body }) => {
        if (path !== '/v1/auth/login' || body.deviceId === undefined) return undefined
        const device = user.shown(user.devices.get(body.deviceId as string)!, 'active')
        const shown = { id: user.id, username: 'bob', kind: 'member', createdAt: TIME }
        return { user: shown, device, ...server.begin('bob', device.id), expiresIn: 900 }
      })
      const thief = await fakeClient(t, server)
      t.equal(await outcome(thief.restore({ ...who, code: recoveryCode! })), 'old-backup')
      t.strictSame([...user.history!.chain.devices.values()], devices)
    }
  }
)

t.test('A backup that something in between has swallowed ends no earlier one', async (t) => {
  const server = new FakeServer()
  const bob = await fakeUser(t, server, 'bob')
  const { recoveryCode } = await bob.backup.create()
  const isBox = { is: true }
  server.lies.push(({ method, path }) =>
    isBox.is && method === 'PUT' && path === '/v1/users/me/key-backup'
      ? new Response(null, { status: 204 })
      : undefined
  )
  t.equal(await outcome(bob.backup.create()), 'not-the-server')
  isBox.is = false
  t.match(await bob.backup.status(), { usable: true })
  const phone = await fakeClient(t, server)
  t.equal(await outcome(phone.restore({ ...who, code: recoveryCode! })), 'done')
})

t.test('A device that the server puts into the header of a backup ends no other one', async (t) => {
  shortenWaits(t)
  const server = new FakeServer()
  const bob = await fakeUser(t, server, 'bob')
  const { recoveryCode } = await bob.backup.create()
  const path = '/v1/users/me/key-backup'
  const isLost = { is: true }
  server.lies.push((request) => {
    if (isLost.is && request.method === 'PUT' && request.path === path) throw new TypeError('fetch failed')
    return undefined
  })
  t.match(await failure(bob.backup.create()), { kind: 'unreachable' })
  isLost.is = false
  const user = server.requireUser('bob')
  const [first, second] = [...user.history!.chain.devices.values()].filter(
    ({ purpose }) => purpose === 'recovery'
  )
  const honest = user.backup!
  const text = Buffer.from(honest.bytes).toString('latin1').replace(first!.id, second!.id)
  user.backup = { ...honest, bytes: new Uint8Array(Buffer.from(text, 'latin1')) }
  t.match(await bob.backup.status(), { usable: false, reason: 'unreadable' })
  const heard = new Listener(t, bob)
  await heard.first('connected')
  await bob.flush()
  t.ok([...user.history!.chain.devices.values()].some(({ id }) => id === first!.id))
  user.backup = honest
  const phone = await fakeClient(t, server)
  t.equal(await outcome(phone.restore({ ...who, code: recoveryCode! })), 'done')
})

t.test(
  'Two clients of a store make a backup at once: the one that is stored ends the older one, also after a restart',
  async (t) => {
    shortenWaits(t)
    const server = new FakeServer()
    const store = new MemoryStore()
    const dies = { is: false, now: false }
    const first = await fakeUser(t, server, 'bob', {
      store,
      fetch: async (input, init) => {
        if (dies.now) throw new TypeError('fetch failed')
        const answer = await server.fetch(input, init)
        dies.now = dies.is && init?.method === 'PUT'
        if (dies.now) throw new TypeError('fetch failed')
        return answer
      }
    })
    await first.backup.create()
    let goOn: (() => void) | undefined
    const second = await fakeClient(t, server, {
      store,
      fetch: async (input, init) => {
        const isAdd = init?.method === 'POST' && (input as string).endsWith('/v1/devices')
        if (isAdd && goOn === undefined) await new Promise<void>((resolve) => (goOn = resolve))
        return server.fetch(input, init)
      }
    })
    const late = outcome(second.backup.create())
    await eventually(() => goOn !== undefined)
    // It stores its backup, and dies before it revokes the older recovery device.
    dies.is = true
    t.match(await failure(first.backup.create()), { kind: 'unreachable' })
    goOn!()
    t.equal(await late, 'replaced-backup')

    const next = await fakeClient(t, server, { store })
    const heard = new Listener(t, next)
    await heard.first('connected')
    const user = server.requireUser('bob')
    const recovery = () =>
      [...user.history!.chain.devices.values()].filter(({ purpose }) => purpose === 'recovery')
    await eventually(() => recovery().length === 1)
    // Nobody has seen its code, but no other one is left.
    t.strictSame(await next.backup.status(), { usable: false, reason: 'unfinished' })
  }
)
