import fc from 'fast-check'
import t from 'tap'
import { BASE64 } from '../../../src/protocol/ids.js'
import { buildValidator } from '../../../src/server/http/validation.js'

type Validate = (value: unknown) => true | { error: { message: string }[] }

const build = buildValidator({}, {})

/** @returns the message of a refusal, null if a body is taken */
function bodyOf(schema: object): (value: unknown) => string | null {
  const validate = build({ schema, method: 'POST', url: '/', httpPart: 'body' }) as unknown as Validate
  return (value) => {
    const found = validate(value)
    return found === true ? null : found.error[0]!.message
  }
}

t.test('Base64 in a body is checked as its regular expression says', async (t) => {
  const refusal = bodyOf({ type: 'string', pattern: `^${BASE64}$` })
  const expression = new RegExp(`^${BASE64}$`)
  const alphabet = fc.constantFrom(...'AQgwEZaz09+/=-_ \n')
  fc.assert(
    fc.property(fc.oneof(fc.string({ unit: alphabet, maxLength: 12 }), fc.string()), (text) => {
      return (refusal(text) === null) === expression.test(text)
    }),
    { numRuns: 2000 }
  )
  fc.assert(fc.property(fc.uint8Array(), (bytes) => refusal(Buffer.from(bytes).toString('base64')) === null))
  t.match(refusal('!'), /^must match pattern/)
})

t.test('Lengths are counted in code points', async (t) => {
  const refusal = bodyOf({ type: 'string', minLength: 3, maxLength: 4 })
  for (const [text, holds] of [
    ['ab', false],
    ['abc', true],
    ['abcd', true],
    ['abcde', false],
    ['👍👍', false],
    ['👍👍👍', true],
    ['👍👍👍👍', true],
    ['👍👍👍👍👍', false]
  ] as const)
    t.equal(refusal(text) === null, holds, text)
  t.equal(refusal('ab'), 'must NOT have fewer than 3 characters')
  t.equal(refusal('abcde'), 'must NOT have more than 4 characters')
})
