import fc from 'fast-check'
import t from 'tap'
import { parseContent, type Content } from '../../src/crypto/message-json.js'
import { refusal } from '../support/refusal.js'

const parsed = (json: string) => refusal((async () => parseContent(json))())

t.test('All that a program can write as JSON is read as JSON.parse reads it', async (t) => {
  const value = fc.jsonValue({ maxDepth: 10, stringUnit: 'binary' })
  const message = fc.dictionary(fc.string({ unit: 'binary' }), value)
  const isReadAlike = fc.property(message, fc.nat(), (members, n) => {
    const json = JSON.stringify({ ...members, n }, null, n % 3)
    return JSON.stringify(parseContent(json)) === JSON.stringify(JSON.parse(json))
  })
  t.doesNotThrow(() => fc.assert(isReadAlike, { numRuns: 500 }))
})

t.test('A repeated name is found wherever it stands', async (t) => {
  const object = fc.dictionary(fc.string({ unit: 'binary' }), fc.jsonValue(), { minKeys: 1 })
  const isRefused = fc.asyncProperty(object, fc.nat(), fc.jsonValue(), async (members, at, other) => {
    const names = Object.keys(members)
    const name = JSON.stringify(names[at % names.length]!)
    const repeated = `${JSON.stringify(members).slice(0, -1)},${name}:${JSON.stringify(other)}}`
    const codes = [await parsed(repeated), await parsed(`{"a":[{"b":${repeated}}]}`)]
    return codes.every((code) => code === 'bad-content')
  })
  await t.resolves(fc.assert(isRefused, { numRuns: 200 }))
})

t.test('A name __proto__ changes nothing but itself', async (t) => {
  const content = parseContent('{"type":"text","__proto__":{"isAdmin":true},"a":{"__proto__":null}}')
  t.equal(Object.getPrototypeOf(content), Object.prototype)
  t.equal(content['isAdmin'], undefined)
  t.equal({ ...content }['isAdmin'], undefined)
  t.equal(({} as Content)['isAdmin'], undefined)
  t.equal(Object.getPrototypeOf(content['a']), Object.prototype)
})

t.test('The time to read a message grows with its length only', async (t) => {
  const size = 63_000
  const texts = {
    'many names': `{${Array.from({ length: 6_000 }, (_, at) => `"${at}":1`).join()}}`,
    'one long name': `{"${'x'.repeat(size)}":1}`,
    'many escapes': `{"a":"${'\\"'.repeat(size / 2)}"}`,
    'many backslashes': `{"a":"${'\\\\'.repeat(size / 2)}"}`,
    'many surrogates': `{"a":"${'\\ud83d\\ude42'.repeat(size / 12)}"}`,
    'many strings': `{"a":[${'"",'.repeat(size / 3)}""]}`,
    'many objects': `{"a":[${'{"a":1},'.repeat(size / 8)}{}]}`,
    'white space': `{${' '.repeat(size)}}`,
    'a long number': `{"a":${'1'.repeat(size)}}`,
    'an open string': `{"a":"${'x"'.repeat(size / 2)}`,
    'deep lists': '['.repeat(size),
    'many lines': `{"a":[${'1,\n'.repeat(size / 3)}1]}`
  }
  for (const [name, json] of Object.entries(texts)) {
    const start = performance.now()
    await parsed(json)
    const took = performance.now() - start
    t.ok(took < 250, `${name}: ${Math.round(took)} ms`)
  }
})
