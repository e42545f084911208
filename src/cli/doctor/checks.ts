import { existsSync } from 'node:fs'
import { join } from 'node:path'
import {
  MemoryStore,
  selfTest,
  type Account,
  type ChatClient,
  type Conversation,
  type Store
} from '../../client/index.js'
import { VERSION } from '../../protocol/version.js'
import { acceptIdentity, adviceOn, ASK_FOR_RENEWAL } from '../advice.js'
import { describeBackup, MAKE_BACKUP } from '../backup-status.js'
import { failure, runCheck, warning, type Check } from './check.js'
import type { Io } from '../terminal/io.js'
import { profileOf, serverUrl, type GlobalOptions } from '../profile.js'
import { isProxied } from '../proxy.js'
import { openChat, openStore } from '../with-chat.js'
import { checkTls } from './tls.js'

/** Above this, messages of different users appear out of order. */
const MAX_CLOCK_SKEW_MS = 30_000

/** Run all checks in order. A check is left out if it needs one that has failed. */
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
        'Start with "secure-chat register NAME" or "secure-chat login NAME".'
      )
    store = await openStore(io, options)
    // This also locks the store.
    await store.update(() => undefined)
    return `only you can read and write ${folder}`
  })
  const chat = await openChat(io, url, store ?? new MemoryStore())
  const stop = () => void chat.close().catch(() => undefined)
  io.signal.addEventListener('abort', stop)
  try {
    yield* checkServer(io, chat, url)
  } finally {
    io.signal.removeEventListener('abort', stop)
    await chat.close()
  }
}

async function* checkServer(io: Io, chat: ChatClient, url: string): AsyncGenerator<Check> {
  let skew: number | undefined
  const server = await runCheck('server', url, async () => {
    const asked = Date.now()
    const { version, protocol, time } = await chat.server()
    const took = Date.now() - asked
    skew = Date.parse(time) - (asked + took / 2)
    return `${url} answers in ${took} ms: version ${version} (this program: ${VERSION}), ${protocol}`
  })
  yield server
  yield runCheck('TLS', url, async () =>
    isProxied(io, url)
      ? 'checked at each request, which goes through the proxy that the environment names'
      : checkTls(url, io.signal)
  )
  if (skew === undefined) return
  yield checkClock(skew)
  if (chat.account !== null) yield* checkAccount(chat, url, chat.account)
}

function checkClock(skew: number): Check {
  const seconds = Math.round(Math.abs(skew) / 1000)
  const check = 'clock'
  if (Math.abs(skew) <= MAX_CLOCK_SKEW_MS) return { check, status: 'ok', message: 'agrees with the server’s' }
  const message = `is ${seconds} seconds ${skew > 0 ? 'behind' : 'ahead of'} the server’s`
  return {
    check,
    ...warning(message, 'Set the clock of this machine, or of the server, from the network (NTP).')
  }
}

async function* checkAccount(chat: ChatClient, url: string, account: Account): AsyncGenerator<Check> {
  const { username, deviceId, fingerprint, status, loggedIn } = account
  const session = await runCheck('session', url, async () => {
    if (status === 'revoked' || status === 'displaced')
      return failure(
        status === 'revoked'
          ? 'this device was revoked'
          : 'you began again on another device, or somebody has put another identity in your place',
        adviceOn({ code: status })
      )
    if (!loggedIn) return warning(`${username} is logged out`, `Log in with "secure-chat login ${username}".`)
    await chat.sessions.list()
    if (status === 'active') return `${username} is logged in`
    return warning(
      `${username} is logged in, but this device waits for approval`,
      'Run "secure-chat devices approve" on a device that is logged in, then "secure-chat devices link" here.'
    )
  })
  yield session
  if (session.status !== 'ok') return
  yield runCheck('own chain', url, async () => {
    const { devices } = await chat.users.get(username)
    if (devices.some((device) => device.id === deviceId && device.fingerprint === fingerprint))
      return `is valid, and this is one of its ${devices.length} device(s)`
    return failure(
      'is valid, but this device is not in it, or not any more',
      `If you revoked it, or began again on another device, log in again: "secure-chat login ${username}". If you ` +
        'did not, tell your contacts by another way.'
    )
  })
  yield* checkConversations(chat, url, username)
  yield runCheck('contacts', url, async () => {
    if (await chat.contacts.isWaiting())
      return warning(
        'this device waits until another of your devices tells whom you trust',
        'Run "secure-chat listen" there. To go on without the others: "secure-chat contacts go-on-alone".'
      )
    const contacts = await chat.contacts.list()
    const changed = contacts
      .filter((contact) => contact.status === 'changed')
      .map((contact) => contact.username)
    if (changed.length === 0) return `${contacts.length}, none with a new identity`
    return warning(`new identity, so nothing is sent: ${changed.join(', ')}`, acceptIdentity('NAME'))
  })
  yield runCheck('backup', url, async () => {
    const backup = await chat.backup.status()
    if (backup.usable) return describeBackup(backup)
    return warning(`${describeBackup(backup)} If you lose all devices, you lose your messages.`, MAKE_BACKUP)
  })
}

async function* checkConversations(chat: ChatClient, url: string, me: string): AsyncGenerator<Check> {
  const check = 'conversations'
  const broken: Check[] = []
  yield runCheck(check, url, async () => {
    const all = await chat.conversations.list()
    // A group's title could pass for a part of the line.
    for (const { id, kind, title, trouble } of all)
      if (trouble !== undefined) {
        const name = kind === 'direct' ? (title ?? id) : id
        const reject = () => Promise.reject(trouble)
        broken.push(await runCheck(`${check}: ${name}`, url, reject, { conversationId: id }))
      }
    const valid = `${all.length - broken.length} of ${all.length} chains are valid`
    const isOut = ({ kind, joined, members }: Conversation): boolean =>
      joined && kind !== 'self' && members.some(({ username, stale }) => stale && username === me)
    const out = all.filter(isOut).length
    if (broken.length === 0 && out === 0) return valid
    if (broken.length === 0)
      return warning(`${valid}. ${out} of them do not know your new identity yet`, ASK_FOR_RENEWAL)
    return failure(valid, 'Nothing is sent to the others. See "secure-chat conversations" for what to do.')
  })
  yield* broken
}
