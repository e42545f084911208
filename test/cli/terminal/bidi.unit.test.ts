import fc from 'fast-check'
import t from 'tap'
import { isolate, isolateRows } from '../../../src/cli/terminal/bidi.js'

const [LRE, RLE, PDF, RLO] = ['\u202a', '\u202b', '\u202c', '\u202e']
const [LRI, RLI, FSI, PDI] = ['\u2066', '\u2067', '\u2068', '\u2069']

/** Whether each isolate ends, none ends that has not begun, and there is no other control. */
function isBalanced(row: string): boolean {
  let depth = 0
  for (const [control] of row.matchAll(/[\u202a-\u202e\u2066-\u2069]/g)) {
    if (control < LRI || (control === PDI && depth === 0)) return false
    depth += control === PDI ? -1 : 1
  }
  return depth === 0
}

t.test('Text without a direction of its own stays as it is', async (t) => {
  t.equal(isolate('hello 日本語 👩\u200d👧'), 'hello 日本語 👩\u200d👧')
})

t.test('Controls in pairs stay, and those without a partner are left out or get one', async (t) => {
  t.equal(isolate(`a ${RLI}ב${PDI} c`), `${FSI}a ${RLI}ב${PDI} c${PDI}`)
  t.equal(isolate(`a${PDI}${PDF}b`), `${FSI}ab${PDI}`)
  t.equal(isolate(`a${RLI}b`), `${FSI}a${RLI}b${PDI}${PDI}`)
})

t.test('An embedding or an override becomes an isolate', async (t) => {
  t.equal(isolate(`${RLE}א${PDF}${LRE}b${PDF}`), `${FSI}${RLI}א${PDI}${LRI}b${PDI}${PDI}`)
  t.equal(isolate(`exe.${RLO}gnp`), `${FSI}exe.${RLI}gnp${PDI}${PDI}`)
})

t.test('Isolates are at most nine deep', async (t) => {
  const deep = isolate(`${RLI.repeat(50)}a${PDI.repeat(50)}b`)
  t.equal(deep, `${FSI}${RLI.repeat(8)}a${PDI.repeat(8)}b${PDI}`)
})

t.test('Every row is balanced, and its text is inside the same isolates as before', async (t) => {
  t.strictSame(isolateRows([`x ${FSI}a ${RLI}b`, 'c', `d${PDI} e${PDI} f`]), [
    `x ${FSI}a ${RLI}b${PDI}${PDI}`,
    `${FSI}${RLI}c${PDI}${PDI}`,
    `${FSI}${RLI}d${PDI} e${PDI} f`
  ])
  const part = fc.constantFrom('a', 'ב', ' ', LRE, RLE, PDF, RLO, LRI, RLI, FSI, PDI)
  const lines = fc.array(fc.array(part, { maxLength: 30 }), { maxLength: 5 })
  fc.assert(
    fc.property(lines, (rows) => {
      const whole = isolate(rows.map((row) => row.join('')).join('|'))
      return isBalanced(whole) && isolateRows(whole.split('|')).every(isBalanced)
    })
  )
})
