import AjvCompiler, { type BuildCompilerFromPool } from '@fastify/ajv-compiler'
import { BASE64 } from '../../protocol/ids.js'

const strict = {
  removeAdditional: false as const,
  useDefaults: true,
  allErrors: false,
  code: { regExp: Object.assign(toRegExp, { code: 'new RegExp' }) }
}

/** Of base64 most of what comes in consists; to encode it again and compare takes a sixth of the expression's time. */
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

/** Ajv counts code points, for each bound anew. The units of a text are no fewer, and at most twice as many. */
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

/**
 * Two validators: bodies are taken as they are, nothing is coerced and nothing unknown dropped; what comes in the
 * address or in headers is text, so numbers there are read from text. Ajv's strict numbers are off for these, since
 * it would read `Infinity` as a number and then not hold it to any bounds.
 */
export const buildValidator: BuildCompilerFromPool = (externalSchemas) => {
  const compilers = AjvCompiler()
  const body = compilers(externalSchemas, {
    customOptions: { ...strict, coerceTypes: false },
    onCreate(ajv) {
      for (const { keyword, ...definition } of lengths)
        ajv
          .removeKeyword(keyword)
          .addKeyword({ keyword, type: 'string', schemaType: 'number', ...definition })
    }
  })
  const address = compilers(externalSchemas, {
    customOptions: { ...strict, coerceTypes: 'array', strictNumbers: false }
  })
  return (route) => {
    // A body of bytes has no form that could be checked.
    if (isBytes(route)) return body({ schema: {} })
    return isBody(route) ? body(route) : address(route)
  }
}

function isBytes(route: unknown): boolean {
  return (route as { schema?: { format?: string } }).schema?.format === 'binary'
}

function isBody(route: unknown): boolean {
  return (route as { httpPart?: string }).httpPart === 'body'
}
