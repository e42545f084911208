import { USERNAME, USERNAME_RULE } from '../../protocol/ids.js'
import { ChatError } from '../errors.js'

const NAME = new RegExp(`^${USERNAME}$`)

/**
 * A username as the caller has it: in any case, with blanks around it.
 *
 * @throws {ChatError} `invalid-username` (`usage`)
 */
export function toUsername(text: string): string {
  // A program without types may have lost the name: nobody called "undefined" is meant.
  const name = typeof text === 'string' ? text.trim().toLowerCase() : ''
  if (NAME.test(name)) return name
  throw new ChatError('usage', 'invalid-username', `${JSON.stringify(name.slice(0, 64))} is no username.`, {
    hint: USERNAME_RULE
  })
}
