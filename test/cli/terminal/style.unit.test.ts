import { PassThrough } from 'node:stream'
import t from 'tap'
import { createStyle, nameStyle } from '../../../src/cli/terminal/style.js'

const terminal = Object.assign(new PassThrough(), { isTTY: true })

t.test('Colours appear on a terminal only, and NO_COLOR switches them off', async (t) => {
  t.equal(createStyle({ env: {}, stdout: terminal })('red', 'hot'), '\u001b[31mhot\u001b[39m')
  t.equal(createStyle({ env: {}, stdout: new PassThrough() })('red', 'hot'), 'hot')
  t.equal(createStyle({ env: { NO_COLOR: '1' }, stdout: terminal })('red', 'hot'), 'hot')
  t.equal(createStyle({ env: { NO_COLOR: '' }, stdout: terminal })('red', 'hot'), '\u001b[31mhot\u001b[39m')
  t.equal(createStyle({ env: { TERM: 'dumb' }, stdout: terminal })('red', 'hot'), 'hot')
})

t.test('A username always has the same colour, which is never red', async (t) => {
  const styles = Array.from({ length: 200 }, (_, at) => nameStyle(`user-${at}`))
  t.equal(nameStyle('alice'), nameStyle('alice'))
  t.ok(new Set(styles).size > 3)
  t.notOk(styles.includes('red'))
})
