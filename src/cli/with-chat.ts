import { ChatClient, ChatError, type Account } from '../client/index.js'
import { FileStore } from '../client/node.js'
import { VERSION } from '../protocol/version.js'
import { UsageError } from './errors.js'
import { printToStderr, type Io } from './terminal/io.js'
import { isOnThisMachine, profileOf, rememberUrl, serverUrl, type GlobalOptions } from './profile.js'
import { readPassword, promptSecret } from './terminal/prompt.js'
import { formatFingerprint } from './terminal/format.js'

/**
 * Do something with the profile's client, whoever is logged in there, and close it. It is closed at once, with all
 * that it waits for, when the person has had enough.
 */
export async function withClient<T>(
  io: Io,
  options: GlobalOptions,
  work: (chat: ChatClient) => Promise<T>
): Promise<T> {
  const url = await serverUrl(io, options)
  const store = await openStore(io, profileOf(io, options).store)
  const chat = await ChatClient.open({ url, store, userAgent: `secure-chat-cli/${VERSION}` })
  const stop = () => void chat.close().catch(() => undefined)
  io.signal.addEventListener('abort', stop)
  try {
    io.signal.throwIfAborted()
    return await work(chat)
  } finally {
    io.signal.removeEventListener('abort', stop)
    await chat.close()
  }
}

/** The key store; its passphrase comes from the environment, or is asked for. */
export async function openStore(io: Io, folder: string): Promise<FileStore> {
  const passphrase = io.env['SECURE_CHAT_PASSPHRASE']
  if (passphrase) return FileStore.open({ folder, passphrase })
  try {
    return await FileStore.open({ folder })
  } catch (error) {
    if (!(error instanceof ChatError && error.code === 'passphrase-needed')) throw error
    const asked = await promptSecret(
      io,
      'Passphrase of the keys on this machine',
      'Set SECURE_CHAT_PASSPHRASE.'
    )
    return FileStore.open({ folder, passphrase: asked })
  }
}

/**
 * The same for commands that need a session. One that has ended is begun anew with the account's password, and `work`
 * begins again: what it does twice must do no harm.
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
        await requireApproved(chat)
        return await work(chat)
      } catch (error) {
        if (!(error instanceof ChatError && error.kind === 'logged-out')) throw error
      }
    const password = await readPassword(io, options, `Password of ${account.username}`)
    const { status } = await chat.login({ username: account.username, password })
    if (status === 'pending')
      printToStderr(io, 'The account does not know this device, or not any more: it asks again.')
    await requireApproved(chat)
    return work(chat)
  })
}

/** @throws {UsageError} if nobody has registered or logged in here */
export function requireAccount(io: Io, options: GlobalOptions, { account }: ChatClient): Account {
  if (account !== null) return account
  throw new UsageError(
    `There is no account in the profile "${profileOf(io, options).name}" yet.`,
    'Begin with "secure-chat register NAME" or "secure-chat login NAME".'
  )
}

/** A device that was pending may have been approved meanwhile. */
async function requireApproved(chat: ChatClient): Promise<void> {
  if (chat.account!.status === 'active') return
  const own = (await chat.devices.list()).find(({ current }) => current)
  if (own?.status === 'pending')
    throw new UsageError(
      `This device waits for approval. Its fingerprint is ${formatFingerprint(own.fingerprint)}.`,
      'Run "secure-chat devices approve" where you are logged in, or "secure-chat devices reset" if that is nowhere.'
    )
  await chat.waitForApproval()
}

/** Remember the server that an account is on, so that further commands need no --url. */
export async function rememberServer(io: Io, options: GlobalOptions): Promise<void> {
  const url = await serverUrl(io, options)
  await rememberUrl(profileOf(io, options), url)
  if (url.startsWith('http:') && !isOnThisMachine(url))
    printToStderr(io, 'This server is reached without TLS: others on the way see your password.')
}
