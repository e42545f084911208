import AjvCompiler, { type BuildCompilerFromPool } from '@fastify/ajv-compiler'

const strict = { removeAdditional: false as const, useDefaults: true, allErrors: false }

/**
 * Two validators: bodies are taken as they are, nothing is coerced and nothing unknown dropped; what comes in the
 * address or in headers is text, so numbers there are read from text. Ajv's strict numbers are off for these, since
 * it would read `Infinity` as a number and then not hold it to any bounds.
 */
export const buildValidator: BuildCompilerFromPool = (externalSchemas) => {
  const compilers = AjvCompiler()
  const body = compilers(externalSchemas, { customOptions: { ...strict, coerceTypes: false } })
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
