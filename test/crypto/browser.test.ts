import { join } from 'node:path'
import t from 'tap'
import { browserOrSkip, browserSite, bundle } from '../support/browser.js'
import { vectors, wycheproof } from '../support/vectors.js'
import type * as inBrowser from './in-browser.js'

const { browser, skip } = browserOrSkip()

t.test('A browser seals, opens and refuses exactly what Node.js does', { skip }, async (t) => {
  const script = await bundle(join(import.meta.dirname, 'in-browser.js'), 'inBrowser')
  const site = await browserSite(t, browser!, script)
  const page = await site.open()
  const given: inBrowser.Vectors = {
    wraps: vectors('wraps'),
    messages: vectors('messages'),
    files: vectors('attachments'),
    backups: vectors('backups'),
    safetyNumbers: vectors('safety-numbers'),
    linkNumbers: vectors('link-numbers'),
    speccheck: vectors('ed25519-speccheck'),
    kem: wycheproof('mlkem_768_test'),
    signatures: wycheproof('ed25519_test')
  }
  const { cases, wrong } = await page.evaluate(async (all) => {
    const code = (globalThis as unknown as { inBrowser: typeof inBrowser }).inBrowser
    return code.differences(JSON.parse(all) as inBrowser.Vectors)
  }, JSON.stringify(given))
  t.strictSame(wrong, [])
  t.ok(cases > 300, `${cases} cases`)
})
