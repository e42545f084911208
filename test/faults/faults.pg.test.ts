import t from 'tap'
import { startPostgres } from '../support/postgres.js'
import { faults } from './faults.js'
import { Stage } from './stage.js'

/** Other tests run at the same time. */
const PAUSE_MS = 50

const postgres = await startPostgres(t)
if (postgres !== undefined) {
  const usual = await Stage.set(t, { postgres })
  for (const { name, happen, ground } of faults.filter(({ isShort }) => isShort))
    t.test(`${name}: each accepted message reaches every member once, in order`, async (t) => {
      const special = await ground?.(t)
      if (typeof special === 'string') return t.pass(special, { skip: special })
      const stage = special === undefined ? usual : await Stage.set(t, { postgres, ...special })
      const { accepted, wrong } = await stage.suffer(happen, PAUSE_MS)
      t.ok(accepted > 0, `${accepted} messages`)
      t.strictSame(wrong, [])
    })
}
