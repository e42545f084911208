import { fileURLToPath } from 'node:url'
import t from 'tap'
import type * as entry from '../../../../src/client/stores/indexeddb/store.js'
import type { CryptoKey } from '../../../../src/crypto/web-crypto.js'
import { browserOrSkip, browserSite, bundle, type Site } from '../../../support/browser.js'

declare const kit: typeof entry

const { browser, skip } = browserOrSkip()
const sitePath = fileURLToPath(new URL('../../../../src/client/stores/indexeddb/store.js', import.meta.url))
let site: Site

t.test('The store is bundled for a browser', { skip }, async () => {
  site = await browserSite(t, browser!, await bundle(sitePath, 'kit'))
})

t.test('In a browser, tabs that count in one store at the same time lose no number', { skip }, async (t) => {
  const tabs = await Promise.all([1, 2, 3].map(() => site.open()))
  const count = async () => {
    const store = await kit.IndexedDbStore.open({ name: 'count' })
    for (let n = 0; n < 20; n++) {
      await store.update(async (tx) => {
        const number = ((await tx.get<number>('number')) ?? 0) + 1
        await crypto.subtle.digest('SHA-256', new Uint8Array(9))
        tx.set('number', number)
      })
    }
  }
  await Promise.all(tabs.map((tab) => tab.evaluate(count)))
  const read = async () => (await kit.IndexedDbStore.open({ name: 'count' })).get<number>('number')
  t.equal(await tabs[0]!.evaluate(read), 60)
  await Promise.all(tabs.map((tab) => tab.close()))
})

t.test(
  'In a browser, a key that cannot be extracted works after the page is reloaded',
  { skip },
  async (t) => {
    const page = await site.open()
    const verifying = await page.evaluate(async () => {
      const store = await kit.IndexedDbStore.open({ name: 'keys' })
      const pair = await crypto.subtle.generateKey('Ed25519', store.extractableKeys, ['sign', 'verify'])
      if (!('privateKey' in pair)) throw new TypeError('Ed25519 keys come in pairs.')
      await store.update((tx) => {
        tx.set('device/keys', { signing: pair.privateKey })
        tx.set('device/bytes', Uint8Array.of(1, 2))
        tx.set('devices', null)
      })
      return [...new Uint8Array(await crypto.subtle.exportKey('raw', pair.publicKey))]
    })
    await page.reload()
    const after = await page.evaluate(async () => {
      const store = await kit.IndexedDbStore.open({ name: 'keys' })
      const { signing } = (await store.get<{ signing: CryptoKey }>('device/keys'))!
      const signature = [...new Uint8Array(await crypto.subtle.sign('Ed25519', signing, Uint8Array.of(3)))]
      const names = (await store.list('device/')).map(([name]) => name)
      const bytes = [...(await store.get<Uint8Array>('device/bytes'))!]
      return { extractable: signing.extractable, signature, names, bytes }
    })
    t.match(after, { extractable: false, names: ['device/bytes', 'device/keys'], bytes: [1, 2] })
    const key = await crypto.subtle.importKey('raw', Uint8Array.from(verifying), 'Ed25519', true, ['verify'])
    t.ok(await crypto.subtle.verify('Ed25519', key, Uint8Array.from(after.signature), Uint8Array.of(3)))
    await page.close()
  }
)

t.test(
  'In a browser, a tab that is closed in an update changes nothing and keeps nobody waiting',
  { skip },
  async (t) => {
    const [one, two] = [await site.open(), await site.open()]
    await one.evaluate(async () => {
      const store = await kit.IndexedDbStore.open({ name: 'closed' })
      await new Promise<void>((begun) => {
        void store.update((tx) => {
          tx.set('a', 'half done')
          begun()
          return new Promise(() => {})
        })
      })
    })
    const waiting = two.evaluate(async () => {
      const store = await kit.IndexedDbStore.open({ name: 'closed' })
      return store.update(async (tx) => (await tx.list('')).length)
    })
    await one.close()
    t.equal(await waiting, 0)
  }
)
