import { PassThrough } from 'node:stream'
import t from 'tap'
import { painter, styleOf } from '../../../src/cli/terminal/style.js'

const terminal = Object.assign(new PassThrough(), { isTTY: true })

t.test('Colours are for terminals, and for people who want them', async (t) => {
  t.equal(painter({ env: {}, stdout: terminal })('red', 'hot'), '\u001b[31mhot\u001b[39m')
  t.equal(painter({ env: {}, stdout: new PassThrough() })('red', 'hot'), 'hot')
  t.equal(painter({ env: { NO_COLOR: '1' }, stdout: terminal })('red', 'hot'), 'hot')
  t.equal(painter({ env: { NO_COLOR: '' }, stdout: terminal })('red', 'hot'), '\u001b[31mhot\u001b[39m')
  t.equal(painter({ env: { TERM: 'dumb' }, stdout: terminal })('red', 'hot'), 'hot')
})

t.test('A person keeps the same colour, and it is not that of warnings', async (t) => {
  const styles = Array.from({ length: 200 }, (_, at) => styleOf(`user-${at}`))
  t.equal(styleOf('alice'), styleOf('alice'))
  t.ok(new Set(styles).size > 3)
  t.notOk(styles.includes('red'))
})
