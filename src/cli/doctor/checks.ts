import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { ChatClient, MemoryStore, selfTest, type Account, type Store } from '../../client/index.js'
import { VERSION } from '../../protocol/version.js'
import { fault, runCheck, warning, type Check } from './check.js'
import type { Io } from '../terminal/io.js'
import { profileOf, serverUrl, type GlobalOptions } from '../profile.js'
import { openStore } from '../with-chat.js'
import { checkTls } from './tls.js'

/** Beyond this, messages of different people stand out of order. */
const MAX_CLOCK_SKEW_MS = 30_000

/** Everything that has to be well for a message to come and go, one by one; what needs another is left out. */
export async function* runChecks(io: Io, options: GlobalOptions): AsyncGenerator<Check, void, undefined> {
  const url = await serverUrl(io, options)
  yield runCheck('cryptography', url, async () => {
    await selfTest()
    return 'keys, signatures and encryption work'
  })
  let store: Store | undefined
  yield runCheck('key store', url, async () => {
    const { name, store: folder } = profileOf(io, options)
    if (!existsSync(join(folder, 'journal')))
      return warning(
        `there is no account in the profile "${name}" yet`,
        'Begin with "secure-chat register NAME" or "secure-chat login NAME".'
      )
    store = await openStore(io, folder)
    // Whether it can be locked, too.
    await store.update(() => undefined)
    return `${folder} can be read and written, and by nobody else`
  })
  const chat = await ChatClient.open({ url, store: store ?? new MemoryStore() })
  const stop = () => void chat.close().catch(() => undefined)
  io.signal.addEventListener('abort', stop)
  try {
    yield* checkServer(chat, url, io.signal)
  } finally {
    io.signal.removeEventListener('abort', stop)
    await chat.close()
  }
}

async function* checkServer(chat: ChatClient, url: string, signal: AbortSignal): AsyncGenerator<Check> {
  let skew: number | undefined
  const server = await runCheck('server', url, async () => {
    const asked = Date.now()
    const { version, protocol, time } = await chat.server()
    const took = Date.now() - asked
    skew = Date.parse(time) - (asked + took / 2)
    return `${url} answers in ${took} ms: version ${version} (this is ${VERSION}), ${protocol}`
  })
  yield server
  yield runCheck('TLS', url, () => checkTls(url, signal))
  if (skew === undefined) return
  yield checkClock(skew)
  if (chat.account !== null) yield* checkAccount(chat, url, chat.account)
}

function checkClock(skew: number): Check {
  const seconds = Math.round(Math.abs(skew) / 1000)
  const check = 'clock'
  if (Math.abs(skew) <= MAX_CLOCK_SKEW_MS) return { check, status: 'ok', message: 'goes with the server’s' }
  const message = `is ${seconds} seconds ${skew > 0 ? 'behind' : 'ahead of'} the server’s`
  return {
    check,
    ...warning(message, 'Have this machine, or the server, take its time from the network (NTP).')
  }
}

async function* checkAccount(chat: ChatClient, url: string, account: Account): AsyncGenerator<Check> {
  const { username, deviceId, fingerprint, status, loggedIn } = account
  const session = await runCheck('session', url, async () => {
    if (!loggedIn) return warning(`${username} is logged out`, `Log in with "secure-chat login ${username}".`)
    await chat.sessions.list()
    if (status === 'active') return `${username} is logged in`
    return warning(
      `${username} is logged in, but this device waits for approval`,
      'Run "secure-chat devices approve" where you are logged in.'
    )
  })
  yield session
  if (session.status !== 'ok') return
  yield runCheck('own chain', url, async () => {
    const { devices } = await chat.users.get(username)
    if (devices.some((device) => device.id === deviceId && device.fingerprint === fingerprint))
      return `stands, and this is one of its ${devices.length} device(s)`
    return fault('stands, but this device is not in it', `Log in anew with "secure-chat login ${username}".`)
  })
  yield* checkConversations(chat, url)
  yield runCheck('contacts', url, async () => {
    const contacts = await chat.contacts.list()
    const changed = contacts
      .filter((contact) => contact.status === 'changed')
      .map((contact) => contact.username)
    if (changed.length === 0) return `${contacts.length}, none with a new identity`
    return warning(
      `a new identity: ${changed.join(', ')}; nothing is sent to them`,
      'Compare safety numbers ("secure-chat verify NAME"), then "secure-chat accept NAME".'
    )
  })
  yield runCheck('backup', url, async () =>
    (await chat.backup.status()).exists
      ? 'there is one on the server, sealed'
      : warning(
          'there is none: whoever loses all devices loses what was said',
          'Make one with "secure-chat backup create".'
        )
  )
}

async function* checkConversations(chat: ChatClient, url: string): AsyncGenerator<Check> {
  const check = 'conversations'
  const broken: Check[] = []
  yield runCheck(check, url, async () => {
    const all = await chat.conversations.list()
    for (const { id, title, trouble } of all)
      if (trouble !== undefined)
        broken.push(await runCheck(`${check}: ${title ?? id}`, url, () => Promise.reject(trouble)))
    const standing = `the chains of ${all.length - broken.length} stand`
    if (broken.length === 0) return standing
    return fault(
      `${standing}, of ${broken.length} not`,
      'Nothing is sent there. Ask whoever runs the server.'
    )
  })
  yield* broken
}
