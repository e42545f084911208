import type { Account, ChatClient, Registration } from '../client/index.js'
import type { GlobalOptions } from './profile.js'
import { printToStderr, type Io } from './terminal/io.js'
import { withFirstPassword } from './terminal/prompt.js'

/** Make an account. The server says what it refuses before anybody chooses a password. */
export async function registerAsked(
  io: Io,
  options: GlobalOptions,
  chat: ChatClient,
  given: Omit<Registration, 'password'>
): Promise<Account> {
  await chat.checkRegistration(given)
  return withFirstPassword(io, options, `Choose a password for ${given.username}`, (password) => {
    printToStderr(io, 'Generating keys …')
    return chat.register({ ...given, password })
  })
}
