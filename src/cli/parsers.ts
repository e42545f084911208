import { InvalidArgumentError } from 'commander'
import { SHA256_HEX, USERNAME, USERNAME_RULE, UUID } from '../protocol/ids.js'

/** Parses a whole number of at least `least`. */
export function wholeNumber(least: number): (text: string) => number {
  return (text) => {
    const number = Number(text)
    if (/^\d{1,15}$/.test(text) && number >= least) return number
    throw new InvalidArgumentError(`It must be a whole number, ${least} or more.`)
  }
}

/** The username that a person means, if it is one. */
export function usernameIn(text: string): string {
  return text.trim().replace(/^@/, '').toLowerCase()
}

/** `bob`, `Bob`, `@bob`, or `bob ` as phones complete it. */
export function username(text: string): string {
  const name = usernameIn(text)
  if (matches(USERNAME, name)) return name
  throw new InvalidArgumentError(USERNAME_RULE)
}

/** Several usernames. Commander passes one at a time, with those before it. */
export function usernames(text: string, before: readonly string[] = []): string[] {
  return [...before, username(text)]
}

export function uuid(text: string): string {
  const id = text.toLowerCase()
  if (matches(UUID, id)) return id
  throw new InvalidArgumentError('It must be a UUID, such as 3f2a6c1e-8d0b-4a57-9b6c-0e1f2a3b4c5d.')
}

/** An identity, or the head of a chain. */
export function hash(text: string): string {
  const hex = text.toLowerCase()
  if (matches(SHA256_HEX, hex)) return hex
  throw new InvalidArgumentError('It must have 64 hexadecimal digits.')
}

/** No number in a statement is greater (docs/protocol.md, "Encoding"). */
const MAX_SECONDS = 999_999_999
const UNITS = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 }

/** `90`, `90s`, `30m`, `24h`, `7d`, `4w`, or `off`. @returns seconds; 0 for `off` */
export function duration(text: string): number {
  if (text === 'off') return 0
  const [, number, unit = 's'] = /^(\d{1,9})([smhdw])?$/.exec(text) ?? []
  const seconds = Number(number) * UNITS[unit as keyof typeof UNITS]
  if (seconds >= 1 && seconds <= MAX_SECONDS) return seconds
  throw new InvalidArgumentError('It must be a time such as 30m, 24h, 7d or 4w, or off.')
}

function matches(pattern: string, text: string): boolean {
  return new RegExp(`^${pattern}$`).test(text)
}
