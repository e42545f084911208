import { readFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { USERNAME } from '../protocol/ids.js'
import { REGISTRATION, type RegistrationMode } from '../protocol/server.js'

/** A text that must not appear in a log: however it is printed, it prints as `[redacted]`. */
export class Secret {
  readonly #value: string
  constructor(value: string) {
    this.#value = value
  }
  reveal(): string {
    return this.#value
  }
  toString(): string {
    return '[redacted]'
  }
  toJSON(): string {
    return '[redacted]'
  }
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return '[redacted]'
  }
}

export interface Variable<T> {
  /** As in the environment; undefined where there is none. */
  default: string | undefined
  parse: (text: string) => T
}

export class Invalid extends Error {}

export class ConfigError extends Error {
  constructor(mistakes: string[]) {
    super(`The configuration has ${mistakes.length} mistake(s):\n${mistakes.map((m) => `  ${m}`).join('\n')}`)
    this.name = 'ConfigError'
  }
}

export function integer(fallback: number, min: number, max: number): Variable<number> {
  return {
    default: String(fallback),
    parse(text) {
      const value = /^\d{1,15}$/.test(text) ? Number(text) : NaN
      if (value >= min && value <= max) return value
      throw new Invalid(`must be a whole number from ${min} to ${max}`)
    }
  }
}

export function choice<T extends string>(fallback: T, ...options: T[]): Variable<T> {
  return {
    default: fallback,
    parse(text) {
      const value = options.find((option) => option === text)
      if (value !== undefined) return value
      throw new Invalid(`must be one of ${options.join(', ')}`)
    }
  }
}

export function text(fallback: string): Variable<string> {
  return { default: fallback, parse: (value) => value }
}

export function optional<T>(parse: (text: string) => T): Variable<T | undefined> {
  return { default: undefined, parse }
}

/** Where a file is. */
export const path = (value: string): string => value

/** A URL that may hold a password. */
function address(example: string, ...schemes: string[]): (value: string) => Secret {
  return (value) => {
    if (URL.canParse(value) && schemes.includes(new URL(value).protocol)) return new Secret(value)
    throw new Invalid(`must look like ${example}`)
  }
}

/**
 * Put in the values that stand in files: `NAME_FILE` says where that of `NAME` is, as for secrets of Docker and
 * Kubernetes. A value is the same one in a file and in the environment. Empty variables are left out.
 *
 * @param names all variables
 * @param onMistake takes what is wrong with the variable
 */
export function withFiles(
  env: Readonly<Record<string, string | undefined>>,
  names: readonly string[],
  onMistake: (mistake: string) => void
): Record<string, string | undefined> {
  const given: Record<string, string | undefined> = Object.fromEntries(
    names.flatMap((name) => {
      const value = withoutAdditions(env[name] ?? '')
      return value === '' ? [] : [[name, value]]
    })
  )
  for (const file of names.filter((name) => name.endsWith(FILE))) {
    const [name, path] = [file.slice(0, -FILE.length), given[file]]
    if (path === undefined) continue
    if (given[name] !== undefined) onMistake(`${file} and ${name} are both set. Set one of them`)
    else given[name] = readText(path, (reason) => onMistake(`${file} ${reason}`))
  }
  return given
}

const FILE = '_FILE'

function readText(path: string, onMistake: (reason: string) => void): string | undefined {
  try {
    const text = withoutAdditions(readFileSync(path, 'utf8'))
    if (text !== '') return text
    onMistake(`names an empty file: ${path}`)
  } catch (error) {
    onMistake(`names a file that cannot be read: ${(error as Error).message}`)
  }
  return undefined
}

/** A text without what editors add: a byte order mark, and the last line break. */
const withoutAdditions = (text: string) => text.replace(/^\uFEFF/, '').replace(/\r?\n$/, '')

/** The origin of an address without a path. */
export function origin(value: string): string {
  const { protocol, href, origin } = URL.canParse(value) ? new URL(value) : {}
  const isOrigin = href === `${origin}/` && !value.includes('*')
  if (/^https?:$/.test(protocol ?? '') && isOrigin) return origin!
  throw new Invalid('must look like https://chat.example.org, without a path')
}

export const databaseUrl = address('postgres://user:password@host:5432/database', 'postgres:', 'postgresql:')
export const redisUrl = address('redis://:password@host:6379, or rediss:// with TLS', 'redis:', 'rediss:')

export function secret(value: string): Secret {
  if (Buffer.byteLength(value) >= 32) return new Secret(value)
  throw new Invalid('must have at least 32 bytes; make one with `openssl rand -base64 32`')
}

function list(value: string): string[] {
  return value
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '')
}

/** Origins of web pages, and of apps that have a scheme of their own, such as `capacitor://localhost`. */
export function origins(value: string): string[] {
  return list(value).map((item) =>
    /^(?!https?:)[a-z][a-z0-9+.-]*:\/\/[^\s/?#]+$/.test(item) ? item : origin(item)
  )
}

/** A report goes to each moderator. */
const MAX_MODERATORS = 10

export function usernames(value: string): string[] {
  const names = list(value)
  const isName = new RegExp(`^${USERNAME}$`)
  if (names.length <= MAX_MODERATORS && names.every((name) => isName.test(name))) return names
  throw new Invalid(`must be at most ${MAX_MODERATORS} usernames in lower case, separated by commas`)
}

/** The proxies whose `X-Forwarded-For` counts: none, or these addresses and networks. */
export function trustedProxies(value: string): string[] | false {
  if (value === 'off') return false
  const proxies = list(value)
  const bad = proxies.find((proxy) => !isNetwork(proxy))
  if (proxies.length > 0 && bad === undefined) return proxies
  throw new Invalid(
    'must be `off`, or addresses and networks (10.0.0.7, 10.0.0.0/8, uniquelocal) separated by commas'
  )
}

function isNetwork(value: string): boolean {
  if (['loopback', 'linklocal', 'uniquelocal'].includes(value)) return true
  const [address = '', bits, ...rest] = value.split('/')
  const family = isIP(address)
  if (family === 0 || rest.length > 0) return false
  return bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128))
}

/** Who may register; without a default, which depends on where the server listens. */
export const registrationMode = choice<RegistrationMode>('invite', ...REGISTRATION).parse

/** Who may register. Strangers reach a server that listens to the network, or stands behind a proxy. */
export function registration(values: {
  SERVER_HOST: string
  PUBLIC_URL: string | undefined
  TRUST_PROXY: string[] | false
  REGISTRATION: RegistrationMode | undefined
}) {
  const { SERVER_HOST: host, PUBLIC_URL: publicUrl, TRUST_PROXY: proxies } = values
  const names = [host, ...(publicUrl === undefined ? [] : [new URL(publicUrl).hostname])]
  const isPrivate = proxies === false && names.every(isLoopback)
  const mode = values.REGISTRATION ?? (isPrivate ? 'open' : 'invite')
  /** Whether the first account is an admin's without an invitation. */
  return { mode, firstIsAdmin: isPrivate && mode === 'open' }
}

function isLoopback(host: string): boolean {
  return /^(localhost|127(\.\d{1,3}){3}|::1|\[::1\])$/.test(host)
}
