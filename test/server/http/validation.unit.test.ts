import fc from 'fast-check'
import t from 'tap'
import { BASE64 } from '../../../src/protocol/ids.js'
import { buildValidator } from '../../../src/server/http/validation.js'

type Validate = ((value: unknown) => boolean) & { errors?: { message?: string }[] | null }

const build = buildValidator({}, {})
const bodyOf = (schema: object) =>
  build({ schema, method: 'POST', url: '/', httpPart: 'body' }) as unknown as Validate

t.test('Base64 in a body is checked as its regular expression says', async (t) => {
  const isBase64 = bodyOf({ type: 'string', pattern: `^${BASE64}$` })
  const expression = new RegExp(`^${BASE64}$`)
  const alphabet = fc.constantFrom(...'AQgwEZaz09+/=-_ \n')
  fc.assert(
    fc.property(fc.oneof(fc.string({ unit: alphabet, maxLength: 12 }), fc.string()), (text) => {
      return isBase64(text) === expression.test(text)
    }),
    { numRuns: 2000 }
  )
  fc.assert(fc.property(fc.uint8Array(), (bytes) => isBase64(Buffer.from(bytes).toString('base64'))))
  isBase64('!')
  t.match(isBase64.errors?.[0]?.message, /^must match pattern/)
})

t.test('Lengths are counted in code points', async (t) => {
  const validate = bodyOf({ type: 'string', minLength: 3, maxLength: 4 })
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
    t.equal(validate(text), holds, text)
  validate('ab')
  t.equal(validate.errors?.[0]?.message, 'must NOT have fewer than 3 characters')
  validate('abcde')
  t.equal(validate.errors?.[0]?.message, 'must NOT have more than 4 characters')
})
