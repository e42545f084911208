import { InvalidArgumentError } from 'commander'
import { SHA256_HEX, USERNAME, UUID } from '../protocol/ids.js'

/** Parses a whole number of at least `least`. */
export function wholeNumber(least: number): (text: string) => number {
  return (text) => {
    const number = Number(text)
    if (/^\d{1,15}$/.test(text) && number >= least) return number
    throw new InvalidArgumentError(`It must be a whole number, ${least} or more.`)
  }
}

/** `bob`, `Bob` or `@bob`. */
export function username(text: string): string {
  const name = text.replace(/^@/, '').toLowerCase()
  if (matches(USERNAME, name)) return name
  throw new InvalidArgumentError(
    'A username has 3 to 32 characters of a-z 0-9 _ . - and begins with a letter.'
  )
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

/** A key's fingerprint. Spaces, colons and dashes between its digits are ignored. */
export function fingerprint(text: string): string {
  const hex = text.toLowerCase().replace(/[\s:-]/g, '')
  if (matches(SHA256_HEX, hex)) return hex
  throw new InvalidArgumentError('A fingerprint has 64 hexadecimal digits.')
}

function matches(pattern: string, text: string): boolean {
  return new RegExp(`^${pattern}$`).test(text)
}
