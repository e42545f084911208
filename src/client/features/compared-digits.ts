import { ChatError } from '../errors.js'

/**
 * Whether a number that a person typed or compared is the one that is shown. Spaces do not matter.
 *
 * @throws {ChatError} `malformed-number` (`usage`) if it does not have 60 digits
 */
export function sameDigits(given: string, shown: string): boolean {
  if (!/^(\s*\d){60}\s*$/.test(given))
    throw new ChatError('usage', 'malformed-number', 'Such a number has 60 digits, in 12 groups of 5.')
  return given.replace(/\s/g, '') === shown.replace(/\s/g, '')
}
