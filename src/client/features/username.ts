import { USERNAME } from '../../protocol/ids.js'
import { ChatError } from '../errors.js'

const NAME = new RegExp(`^${USERNAME}$`)

/**
 * A username as the caller has it: in any case, with blanks around it.
 *
 * @throws {ChatError} `invalid-username` (`usage`)
 */
export function toUsername(text: string): string {
  const name = String(text).trim().toLowerCase()
  if (NAME.test(name)) return name
  throw new ChatError('usage', 'invalid-username', `${JSON.stringify(name.slice(0, 64))} is no username.`, {
    hint: 'A username has 3 to 32 characters of a-z 0-9 _ . - and begins with a letter.'
  })
}
