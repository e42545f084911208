import t from 'tap'
import { startPostgres } from '../support/postgres.js'
import { faults } from './faults.js'
import { Stage } from './stage.js'

t.setTimeout(180_000)

const postgres = await startPostgres(t)
if (postgres !== undefined) {
  const stage = await Stage.set(t, postgres)
  for (const { name, happen } of faults.filter(({ isShort }) => isShort))
    t.test(`${name}: what was accepted reaches everybody once, in order`, async (t) => {
      const { accepted, wrong } = await stage.suffer(happen)
      t.ok(accepted > 0, `${accepted} messages`)
      t.strictSame(wrong, [])
    })
}
