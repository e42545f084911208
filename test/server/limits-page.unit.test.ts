import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { countedLimits, type CountedLimit } from '../../src/server/access/counted-limits.js'
import { readConfig } from '../../src/server/config.js'
import { limitsPage } from '../../src/server/scripts/limits-page.js'

t.test('The page of limits says what the code does', async (t) => {
  const page = readFileSync(join(import.meta.dirname, '../../../docs/limits.md'), 'utf8')
  t.equal(page, limitsPage())
})

t.test('Each limit that names a setting has its value, and RATE_LIMIT=off switches all off', async (t) => {
  for (const [name, { setting, max }] of Object.entries<CountedLimit>(countedLimits)) {
    if (setting !== undefined) {
      const given = String(max(readConfig({})) + 1)
      t.equal(max(readConfig({ [setting]: given })), Number(given), name)
    }
    t.equal(max(readConfig({ RATE_LIMIT: 'off' })), Infinity, name)
  }
})
