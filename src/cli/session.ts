import { ChatClient, ChatError, type Chat } from '../client/index.js'
import { FileStore } from '../client/node.js'
import { VERSION } from '../protocol/version.js'
import { UsageError } from './failure.js'
import { note, type Io } from './io.js'
import { profileOf, rememberUrl, serverUrl, type GlobalOptions } from './profile.js'
import { accountPassword } from './secrets.js'

/** Do something with the profile's client, whoever is logged in there, and close it. */
export async function withChat<T>(
  io: Io,
  options: GlobalOptions,
  work: (chat: Chat) => Promise<T>
): Promise<T> {
  const profile = profileOf(io, options)
  const url = await serverUrl(io, options)
  const passphrase = io.env['SECURE_CHAT_PASSPHRASE']
  const store = await FileStore.open({ folder: profile.store, ...(passphrase && { passphrase }) })
  try {
    const chat = await ChatClient.open({ url, store, userAgent: `secure-chat-cli/${VERSION}` })
    try {
      return await work(chat)
    } finally {
      await chat.close()
    }
  } finally {
    await store.close()
  }
}

/**
 * The same for commands that need a session. One that has ended is begun anew with the account's password, and `work`
 * begins again: what it does twice must do no harm.
 */
export async function withSession<T>(
  io: Io,
  options: GlobalOptions,
  work: (chat: Chat) => Promise<T>
): Promise<T> {
  return withChat(io, options, async (chat) => {
    const { account } = chat
    if (account === null)
      throw new UsageError(
        `There is no account in the profile "${profileOf(io, options).name}" yet.`,
        'Begin with "secure-chat register NAME" or "secure-chat login NAME".'
      )
    if (account.loggedIn)
      try {
        return await work(chat)
      } catch (error) {
        if (!(error instanceof ChatError && error.kind === 'logged-out')) throw error
      }
    const password = await accountPassword(io, options, `Password of ${account.username}`)
    await chat.login({ username: account.username, password })
    return work(chat)
  })
}

/** Remember the server that an account is on, so that further commands need no --url. */
export async function remember(io: Io, options: GlobalOptions): Promise<void> {
  const url = await serverUrl(io, options)
  await rememberUrl(profileOf(io, options), url)
  if (url.startsWith('http:') && !/^http:\/\/(localhost|127\.|\[::1\])/.test(url))
    note(io, 'This server is reached without TLS: others on the way see your password.')
}
