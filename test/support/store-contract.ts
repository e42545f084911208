import { setTimeout as sleep } from 'node:timers/promises'
import type { Test } from 'tap'
import type { CryptoKey } from '../../src/crypto/web-crypto.js'
import type { Store, Value } from '../../src/client/stores/store.js'
import { generateKeys } from './store-keys.js'

/** Tests of the promises that every store makes. `open` opens a new, empty one. */
export function keepsTheContract(t: Test, open: (t: Test) => Promise<Store>): void {
  t.test('Values that were set are there, and deleted ones are not', async (t) => {
    const store = await open(t)
    t.equal(await store.get('a/1'), undefined)
    await store.update((tx) => {
      tx.set('a/2', 'two')
      tx.set('a/1', 1)
      tx.set('b/1', null)
    })
    await store.update((tx) => tx.delete('a/1'))
    t.equal(await store.get('a/1'), undefined)
    t.equal(await store.get('a/2'), 'two')
    t.equal(await store.get('b/1'), null)
  })

  t.test('A list is sorted by name and holds what begins with the prefix', async (t) => {
    const store = await open(t)
    await store.update((tx) =>
      ['b', 'a/10', 'a/2', 'a', 'a/\u{1f600}', 'a/é'].forEach((name) => tx.set(name, 0))
    )
    const names = async (prefix: string) => (await store.list(prefix)).map(([name]) => name)
    t.strictSame(await names('a/'), ['a/10', 'a/2', 'a/é', 'a/\u{1f600}'])
    t.strictSame(await names(''), ['a', 'a/10', 'a/2', 'a/é', 'a/\u{1f600}', 'b'])
    t.strictSame(await names('c'), [])
  })

  t.test('A long list can be read in parts', async (t) => {
    const store = await open(t)
    const names = Array.from({ length: 10 }, (_, at) => `a/${at}`)
    await store.update((tx) => ['a', 'b', ...names].forEach((name) => tx.set(name, 0)))
    await store.update((tx) => tx.delete('a/5'))
    const after = async (name: string) => (await store.listAfter!('a/', name, 4)).map(([found]) => found)
    t.strictSame(await after(''), ['a/0', 'a/1', 'a/2', 'a/3'])
    t.strictSame(await after('a/3'), ['a/4', 'a/6', 'a/7', 'a/8'])
    t.strictSame(await after('a/8'), ['a/9'])
    t.strictSame(await after('a/9'), [])
  })

  t.test('A list is right whatever was set and deleted before', async (t) => {
    const store = await open(t)
    const expected = new Map<string, Value>()
    let seed = 1
    const random = (below: number) => (seed = (seed * 16807) % 2147483647) % below
    const under = (prefix: string) =>
      [...expected].filter(([name]) => name.startsWith(prefix)).sort(([a], [b]) => (a < b ? -1 : 1))
    for (let round = 0; round < 40; round++) {
      await store.update((tx) => {
        const change = (name: string, value?: number) => {
          if (value === undefined) tx.delete(name)
          else tx.set(name, value)
          if (value === undefined) expected.delete(name)
          else expected.set(name, value)
        }
        // Many at once, or a few; sometimes most of them go.
        for (let times = round % 4 === 0 ? 100 : 5; times > 0; times--)
          change(`${'abc'[random(3)]}/${random(60)}`, random(3) === 0 ? undefined : round)
        if (round % 10 === 9) for (const name of [...expected.keys()].slice(3)) change(name)
      })
      for (const prefix of ['', 'a/', 'b/1', 'c', 'd']) t.strictSame(await store.list(prefix), under(prefix))
    }
  })

  t.test('JSON and bytes come back as they were put in', async (t) => {
    const store = await open(t)
    const value: Value = {
      text: 'a\n"\u2028\ud800é',
      list: [1.5, -7, true, false, null, [], {}],
      bytes: Uint8Array.of(0, 255, 10),
      none: new Uint8Array(),
      nested: { deep: [{ bytes: Uint8Array.of(1) }], ['__proto__']: 1 },
      $bytes: 'AA==',
      $key: { $$bytes: {} }
    }
    await store.update((tx) => tx.set('value', value))
    t.strictSame(await store.get('value'), value)
    t.strictSame(await store.list('v'), [['value', value]])
    t.equal((await store.get<{ bytes: Uint8Array }>('value'))?.bytes.constructor, Uint8Array)
  })

  t.test('Keys come back and work as before', async (t) => {
    const store = await open(t)
    const keys = await generateKeys(store.extractableKeys)
    await store.update((tx) => tx.set('keys', { ...keys }))
    const stored = (await store.get<Record<keyof typeof keys, CryptoKey>>('keys'))!
    t.strictSame(Object.keys(stored), Object.keys(keys))
    for (const name of Object.keys(keys) as (keyof typeof keys)[]) {
      const { type, algorithm, usages } = keys[name]
      t.match(stored[name], { type, usages }, name)
      t.strictSame(JSON.stringify(stored[name].algorithm), JSON.stringify(algorithm), name)
    }
    const data = Uint8Array.of(1, 2, 3)
    const signature = await crypto.subtle.sign('Ed25519', stored.signing, data)
    t.ok(await crypto.subtle.verify('Ed25519', keys.verifying, signature, data))
    const sealed = await crypto.subtle.encrypt('RSA-OAEP', keys.encrypting, data)
    t.strictSame(new Uint8Array(await crypto.subtle.decrypt('RSA-OAEP', stored.decrypting, sealed)), data)
  })

  t.test('A seed that was encrypted under a secret key opens after both have been stored', async (t) => {
    const store = await open(t)
    const { secret } = await generateKeys(store.extractableKeys)
    const seed = crypto.getRandomValues(new Uint8Array(64))
    const algorithm = { name: 'AES-GCM', iv: new Uint8Array(12) }
    const sealed = new Uint8Array(await crypto.subtle.encrypt(algorithm, secret, seed))
    await store.update((tx) => tx.set('device', { secret, sealed }))
    const stored = (await store.get<{ secret: CryptoKey; sealed: Uint8Array<ArrayBuffer> }>('device'))!
    t.equal(stored.secret.extractable, store.extractableKeys)
    const opened = await crypto.subtle.decrypt(algorithm, stored.secret, stored.sealed)
    t.strictSame(new Uint8Array(opened), seed)
  })

  t.test('A caller that changes what it was given, or gave, does not change the store', async (t) => {
    const store = await open(t)
    const value = { list: [1], bytes: Uint8Array.of(1) }
    const spoil = (spoilt: typeof value | undefined) => {
      spoilt!.list.push(2)
      spoilt!.bytes[0] = 2
    }
    await store.update(async (tx) => {
      tx.set('value', value)
      spoil(value)
      spoil(await tx.get('value'))
      for (const [, listed] of await tx.list<typeof value>('')) spoil(listed)
    })
    spoil(await store.get('value'))
    for (const [, listed] of await store.list<typeof value>('')) spoil(listed)
    await store.update(async (tx) => spoil(await tx.get('value')))
    t.strictSame(await store.get('value'), { list: [1], bytes: Uint8Array.of(1) })
  })

  t.test('An update reads its own changes, and others do not before it has succeeded', async (t) => {
    const store = await open(t)
    await store.update((tx) => {
      tx.set('a', 'old')
      tx.set('b', 'old')
    })
    const result = await store.update(async (tx) => {
      tx.set('a', 'new')
      tx.delete('b')
      tx.set('c', 'new')
      await crypto.subtle.digest('SHA-256', new Uint8Array(9))
      t.strictSame(await tx.list(''), [
        ['a', 'new'],
        ['c', 'new']
      ])
      t.equal(await tx.get('b'), undefined)
      t.strictSame(await store.list(''), [
        ['a', 'old'],
        ['b', 'old']
      ])
      return 'result'
    })
    t.equal(result, 'result')
    t.strictSame(await store.list(''), [
      ['a', 'new'],
      ['c', 'new']
    ])
  })

  t.test('An update that fails changes nothing, and the next one goes on', async (t) => {
    const store = await open(t)
    const failure = new Error('no')
    await t.rejects(
      store.update((tx) => {
        tx.set('a', 1)
        throw failure
      }),
      failure
    )
    await t.rejects(
      store.update((tx) => {
        tx.set('a', 1)
        tx.set('b', new Date() as never)
      }),
      { kind: 'usage', code: 'unstorable-value' }
    )
    t.strictSame(await store.list(''), [])
    await store.update((tx) => tx.set('a', 2))
    t.strictSame(await store.list(''), [['a', 2]])
  })

  t.test('Updates run one at a time, in the order of their calls', async (t) => {
    const store = await open(t)
    const order: number[] = []
    const count = async (n: number) =>
      store.update(async (tx) => {
        const before = (await tx.get<number>('count')) ?? 0
        await sleep(Math.random() * 3)
        tx.set('count', before + 1)
        order.push(n)
      })
    await Promise.all(Array.from({ length: 10 }, (_, n) => count(n)))
    t.equal(await store.get('count'), 10)
    t.strictSame(order, [...order.keys()])
  })

  t.test('A transaction cannot be used when its update has ended', async (t) => {
    const store = await open(t)
    const escaped = await store.update((tx) => ({ tx }))
    t.throws(() => escaped.tx.set('a', 1), /has ended/)
    await t.rejects(escaped.tx.get('a'), /has ended/)
    t.strictSame(await store.list(''), [])
  })

  t.test('Anything but a value is refused', async (t) => {
    const store = await open(t)
    const cyclic: unknown[] = []
    cyclic.push(cyclic)
    const refused = [
      undefined,
      { a: undefined },
      NaN,
      Infinity,
      1n,
      () => 1,
      Symbol(),
      new Map(),
      cyclic,
      new Array(1)
    ]
    for (const value of refused) {
      await t.rejects(
        store.update((tx) => tx.set('a', value as never)),
        { code: 'unstorable-value' }
      )
    }
    t.strictSame(await store.list(''), [])
  })

  t.test('A store can be closed twice', async (t) => {
    const store = await open(t)
    await Promise.all([store.close(), store.close()])
    await store.close()
  })
}
