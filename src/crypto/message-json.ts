import { CryptoError } from './errors.js'

/** The plaintext of a message: one JSON object. */
export type Content = Readonly<Record<string, unknown>>

/** Objects and lists inside each other, the outermost object included. */
const MAX_DEPTH = 16
/** A string, a bracket, a sign, or a number or literal, of a text that is JSON. */
const TOKEN = /"[^"\\]*(?:\\.[^"\\]*)*"|[{}[\]:,]|[^\s"{}[\]:,]+/g
const INTEGER = /^(?:0|-?[1-9][0-9]*)$/
const LONE_SURROGATE = /[\ud800-\udfff]/u

/**
 * Parse the JSON of a message (docs/protocol.md, "Message"). Parsers of other languages differ in what they
 * make of repeated names, of `1.0` and of lone surrogates, so none of these is accepted.
 *
 * @throws {CryptoError} `bad-content` if it is not one JSON object, is deeper than 16, repeats a name in an
 *   object, has a lone surrogate, a number beyond those of 64-bit floats, or an `n` that is not written as an
 *   integer
 */
export function parseContent(json: string): Content {
  let content: unknown
  try {
    content = JSON.parse(json)
  } catch (cause) {
    throw bad('is not JSON', { cause })
  }
  if (typeof content !== 'object' || content === null || Array.isArray(content))
    throw bad('is not a JSON object')
  requireStrict(json)
  return content as Content
}

/** Reads each token of a JSON text once. */
function requireStrict(json: string): void {
  /** The names so far of each object that is open; null for a list. */
  const open: (Set<string> | null)[] = []
  let before = ''
  let isN = false
  for (const [token] of json.matchAll(TOKEN)) {
    if (isN && !INTEGER.test(token)) throw bad('does not write `n` as an integer')
    isN = false
    if (token === '{' || token === '[') {
      if (open.push(token === '{' ? new Set() : null) > MAX_DEPTH) throw bad(`is deeper than ${MAX_DEPTH}`)
    } else if (token === '}' || token === ']') open.pop()
    else if (token === ':') {
      const name = JSON.parse(before) as string
      const names = open.at(-1)!
      if (names.has(name)) throw bad('repeats a name in an object')
      names.add(name)
      isN = name === 'n' && open.length === 1
    } else if (/^[-0-9]/.test(token) && !Number.isFinite(Number(token)))
      throw bad('has a number that is too large')
    else if (token.includes('\\u') && LONE_SURROGATE.test(JSON.parse(token) as string))
      throw bad('has half of a surrogate pair')
    before = token
  }
}

function bad(how: string, options?: ErrorOptions): CryptoError {
  return new CryptoError('bad-content', `The message ${how}.`, options)
}
