import { check, given, refusing } from './refused.js'

const MAX_DEPTH = 16
const MAX_N = 2 ** 20
/** A bracket, comma or colon; a number; a string; a word. */
const TOKEN =
  /[ \t\n\r]*(?:[{}[\],:]|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|"[^"\\]*(?:\\.[^"\\]*)*"|true|false|null)/y

export interface Content extends Record<string, unknown> {
  readonly n: number
}

/**
 * The plaintext of a message, without its padding: one JSON object, of which all clients read the same.
 *
 * @throws Refused if it is not well formed (docs/protocol.md, "Plaintext")
 */
export function parseContent(bytes: Uint8Array): Content {
  const reader = new Reader(decodeUtf8(bytes))
  const content = reader.whole()
  check(typeof content === 'object' && content !== null && !Array.isArray(content), 'not an object')
  const n = given(reader.n, 'no n that is an integer')
  check(/^[1-9][0-9]{0,6}$/.test(n) && Number(n) <= MAX_N, `n is ${n}`)
  return content as Content
}

function decodeUtf8(bytes: Uint8Array): string {
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
  return refusing('not UTF-8', () => decoder.decode(bytes))
}

/** Reads RFC 8259 and refuses what is read in different ways. A byte order mark is no token. */
class Reader {
  readonly #text: string
  #at = 0
  /** The number of the outer object's `n`, as it is written. */
  n: string | undefined

  constructor(text: string) {
    this.#text = text
  }

  whole(): unknown {
    const value = this.#value(this.#next(), 0)
    check(/^[ \t\n\r]*$/.test(this.#text.slice(this.#at)), 'more than one value')
    return value
  }

  /** The next token; a string keeps its quotes. */
  #next(): string {
    TOKEN.lastIndex = this.#at
    const [token] = given(TOKEN.exec(this.#text), `no JSON at ${this.#at}`)
    this.#at = TOKEN.lastIndex
    return token.replace(/^[ \t\n\r]+/, '')
  }

  #value(token: string, depth: number): unknown {
    if (token === '{' || token === '[') {
      check(depth < MAX_DEPTH, `deeper than ${MAX_DEPTH}`)
      return token === '{' ? this.#object(depth + 1) : this.#list(depth + 1)
    }
    if (token.startsWith('"')) return stringOf(token)
    check(!'}],:'.includes(token), `${token} in place of a value`)
    const value: unknown = JSON.parse(token)
    check(typeof value !== 'number' || Number.isFinite(value), `${token} is beyond 64-bit floats`)
    return value
  }

  #list(depth: number): unknown[] {
    const values: unknown[] = []
    for (let token = this.#next(); values.length > 0 || token !== ']'; token = this.#next()) {
      values.push(this.#value(token, depth))
      if (this.#isEnd(']')) break
    }
    return values
  }

  #object(depth: number): Record<string, unknown> {
    const members = new Map<string, unknown>()
    for (let token = this.#next(); members.size > 0 || token !== '}'; token = this.#next()) {
      check(token.startsWith('"'), `${token} in place of a name`)
      const name = stringOf(token)
      check(!members.has(name), `${name} stands twice`)
      check(this.#next() === ':', 'a name without a value')
      const first = this.#next()
      if (depth === 1 && name === 'n') this.n = first
      members.set(name, this.#value(first, depth))
      if (this.#isEnd('}')) break
    }
    return Object.fromEntries(members)
  }

  #isEnd(bracket: string): boolean {
    const token = this.#next()
    check(token === ',' || token === bracket, `${token} between two values`)
    return token === bracket
  }
}

function stringOf(token: string): string {
  const text = refusing('not a string', () => JSON.parse(token) as string)
  check(!/\p{Cs}/u.test(text), 'half of a surrogate pair')
  return text
}
