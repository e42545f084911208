import AjvCompiler, { type BuildCompilerFromPool } from '@fastify/ajv-compiler'
import { BASE64 } from '../../protocol/ids.js'
import { textFormats } from '../../protocol/text-formats.js'

const strict = {
  // The schemas are this program's own, and the compiler knows their types: a start need not check their form.
  validateSchema: false,
  removeAdditional: false as const,
  useDefaults: true,
  allErrors: false,
  // An error then names its schema, whose description says the rule in words.
  verbose: true,
  code: { regExp: Object.assign(toRegExp, { code: 'new RegExp' }) }
}

/**
 * Most request bytes are base64. Decoding and encoding again is six times as fast as the regular expression,
 * and accepts the same set.
 */
function toRegExp(pattern: string, flags: string) {
  if (pattern !== `^${BASE64}$`) return new RegExp(pattern, flags)
  return {
    test: (text: string) => Buffer.from(text, 'base64').toString('base64') === text,
    toString: () => pattern
  }
}

interface Failed {
  schema: number
}

/**
 * Ajv would count the code points of a text for each bound. Its length in code units, which costs nothing, is
 * at least their number and at most twice as large: it decides nearly always.
 */
const lengths = [
  {
    keyword: 'maxLength',
    validate: (limit: number, text: string) => text.length <= limit || codePoints(text) <= limit,
    error: { message: ({ schema }: Failed) => `must NOT have more than ${schema} characters` }
  },
  {
    keyword: 'minLength',
    validate: (limit: number, text: string) => text.length >= 2 * limit || codePoints(text) >= limit,
    error: { message: ({ schema }: Failed) => `must NOT have fewer than ${schema} characters` }
  }
]

function codePoints(text: string): number {
  let count = text.length
  for (const character of text) count -= character.length - 1
  return count
}

type Validator = ReturnType<ReturnType<BuildCompilerFromPool>>

/**
 * Two validators. Bodies are taken as they are: nothing is coerced, and nothing unknown is dropped.
 * Parameters and headers are text, so numbers are read from text. Ajv's strict numbers are off there: with
 * them, `Infinity` would pass as a number and be held to no bounds.
 *
 * A schema is compiled for the first request of its route: all of them take a third of a start.
 */
export const buildValidator: BuildCompilerFromPool = (externalSchemas) => {
  const compilers = AjvCompiler()
  const body = later(() =>
    compilers(externalSchemas, {
      customOptions: { ...strict, coerceTypes: false },
      onCreate(ajv) {
        for (const [name, holds] of Object.entries(textFormats)) ajv.addFormat(name, holds)
        for (const { keyword, ...definition } of lengths)
          ajv
            .removeKeyword(keyword)
            .addKeyword({ keyword, type: 'string', schemaType: 'number', ...definition })
      }
    })
  )
  const address = later(() =>
    compilers(externalSchemas, {
      customOptions: { ...strict, coerceTypes: 'array', strictNumbers: false }
    })
  )
  return (route) => {
    // Bytes have no form to check.
    const compile = later(() =>
      isBytes(route) ? body()({ schema: {} }) : isBody(route) ? body()(route) : address()(route)
    )
    const validator = (data: unknown) => {
      const validate = compile()
      return validate(data) === false ? { error: validate.errors } : true
    }
    return validator as unknown as Validator
  }
}

/** Makes something once, when it is asked for. */
function later<T extends object>(make: () => T): () => T {
  let made: T | undefined
  return () => (made ??= make())
}

function isBytes(route: unknown): boolean {
  return (route as { schema?: { format?: string } }).schema?.format === 'binary'
}

function isBody(route: unknown): boolean {
  return (route as { httpPart?: string }).httpPart === 'body'
}
