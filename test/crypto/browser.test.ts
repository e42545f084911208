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
    sessionKeys: vectors('session-keys'),
    messages: vectors('messages'),
    files: vectors('attachments'),
    backups: vectors('backups'),
    safetyNumbers: vectors('safety-numbers'),
    signatures: wycheproof('ed25519_test')
  }
  const { cases, wrong } = await page.evaluate(async (all) => {
    const code = (globalThis as unknown as { inBrowser: typeof inBrowser }).inBrowser
    return code.differences(all)
  }, given)
  t.strictSame(wrong, [])
  t.ok(cases > 200, `${cases} cases`)
})
