import { ChatClient, ChatError, type Account, type Store } from '../client/index.js'
import { FileStore } from '../client/node.js'
import { VERSION } from '../protocol/version.js'
import { UsageError } from './errors.js'
import { pendingLinkNumber } from './linking.js'
import { printNoticed } from './noticed.js'
import { printToStderr, type Io } from './terminal/io.js'
import {
  isOnThisMachine,
  isSealed,
  profileOf,
  rememberSealed,
  rememberUrl,
  serverUrl,
  type GlobalOptions
} from './profile.js'
import { proxiedFetch } from './proxy.js'
import { configuredPassword, isGiven, readPassword, readSecret } from './terminal/prompt.js'

/**
 * Run `work` with the profile's client, whether or not somebody is logged in, and close the client. A signal
 * closes it at once, and ends all that it waits for.
 */
export async function withClient<T>(
  io: Io,
  options: GlobalOptions,
  work: (chat: ChatClient) => Promise<T>
): Promise<T> {
  const url = await serverUrl(io, options)
  const store = await openStore(io, options)
  const chat = await openChat(io, url, store)
  const stop = () => void chat.close().catch(() => undefined)
  io.signal.addEventListener('abort', stop)
  try {
    io.signal.throwIfAborted()
    const result = await work(chat)
    printNoticed(io, chat)
    return result
  } catch (error) {
    printNoticed(io, chat, error)
    throw error
  } finally {
    io.signal.removeEventListener('abort', stop)
    await chat.close()
  }
}

/** The client, behind the proxy that the environment names. */
export async function openChat(io: Io, url: string, store: Store): Promise<ChatClient> {
  const fetch = await proxiedFetch(io)
  const userAgent = `secure-chat-cli/${VERSION}`
  return ChatClient.open({ url, store, userAgent, ...(fetch !== undefined && { fetch }) })
}

/**
 * Open the key store. Its passphrase comes from a file, the environment or a prompt. A profile whose store had one
 * is not opened without.
 */
export async function openStore(io: Io, options: GlobalOptions): Promise<FileStore> {
  const profile = profileOf(io, options)
  const { store: folder } = profile
  const source = {
    message: 'Passphrase of the keys on this machine',
    variable: 'SECURE_CHAT_PASSPHRASE',
    file: options.keysPassphraseFile,
    fileOption: '--keys-passphrase-file'
  }
  if (!isGiven(io, source) && !isSealed(profile)) {
    const store = await FileStore.open({ folder }).catch(unlessSealed)
    if (store !== null) return store
  }
  const passphrase = await readSecret(io, source)
  const store = await FileStore.open({ folder, passphrase })
  await rememberSealed(profile)
  return store
}

function unlessSealed(error: unknown): null {
  if (error instanceof ChatError && error.code === 'passphrase-needed') return null
  throw error
}

/**
 * Run `work` with a client that is logged in. If the session has ended, the client logs in again with the
 * account's password, and `work` runs again from its start: doing the same twice must do no harm.
 */
export async function withChat<T>(
  io: Io,
  options: GlobalOptions,
  work: (chat: ChatClient) => Promise<T>
): Promise<T> {
  return withClient(io, options, async (chat) => {
    const account = requireAccount(io, options, chat)
    if (account.loggedIn)
      try {
        await requireLinked(chat)
        return await work(chat)
      } catch (error) {
        if (!(error instanceof ChatError && error.kind === 'logged-out')) throw error
      }
    const { username } = account
    if (account.status === 'pending') throw waitsNoMore(account)
    if (account.loggedIn && (await configuredPassword(io, options)) === undefined)
      printToStderr(
        io,
        'The session has ended, and the key of this machine begins no other. ' +
          'Another device may have ended it, or revoked this machine.'
      )
    await chat.login({ username, password: await accountPassword(io, options, chat, username) })
    return work(chat)
  })
}

/**
 * The password of an account. Other reasons for a refusal are told before anybody is asked.
 *
 * @throws {UsageError} if the profile belongs to another user; `unreachable`
 */
export async function accountPassword(
  io: Io,
  options: GlobalOptions,
  chat: ChatClient,
  username: string
): Promise<string> {
  if (chat.account !== null && chat.account.username !== username)
    throw new UsageError(
      `This profile belongs to ${chat.account.username}.`,
      'Use another profile (--profile NAME), or run "secure-chat logout --forget" first.'
    )
  await chat.server()
  return readPassword(io, options, `Password of ${username}`)
}

/** A device without a session does not ask for approval again by itself. */
export function waitsNoMore({ username }: Account): UsageError {
  return new UsageError(
    'This device waits for approval no more: it was declined, it has waited too long, or you have logged out.',
    `To ask again: secure-chat login ${username}`
  )
}

/** @throws {UsageError} if nobody has registered or logged in here */
export function requireAccount(io: Io, options: GlobalOptions, { account }: ChatClient): Account {
  if (account !== null) return account
  throw new UsageError(
    `There is no account in the profile "${profileOf(io, options).name}" yet.`,
    'Start with "secure-chat register NAME" or "secure-chat login NAME".'
  )
}

/** A pending device may be linked by now. @throws {UsageError} if it still waits */
async function requireLinked(chat: ChatClient): Promise<void> {
  if (chat.account!.status !== 'pending') return
  const number = await pendingLinkNumber(chat)
  if (number === null) return
  throw new UsageError(
    `This device waits for approval. Its link number is\n${number}`,
    'Run "secure-chat devices approve" on a device that is logged in, then "secure-chat devices link" here. ' +
      'If you have no other: "secure-chat restore" or "secure-chat devices reset".'
  )
}

/** Remember the account's server, so that later commands need no --url. */
export async function rememberServer(io: Io, options: GlobalOptions): Promise<void> {
  const url = await serverUrl(io, options)
  await rememberUrl(profileOf(io, options), url)
  if (url.startsWith('http:') && !isOnThisMachine(url))
    printToStderr(
      io,
      'There is no TLS between you and this server: anybody on the way can read your password.'
    )
}
