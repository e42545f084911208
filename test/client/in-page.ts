import {
  ChatClient,
  ChatError,
  foldConversation,
  IndexedDbStore,
  type Account,
  type ChatEvent,
  type Content,
  type CryptoKey,
  type IncomingMessage,
  type Recipient,
  type Sent
} from '../../src/client/index.js'

/** An app as it may run in a page: this file, with the SDK, is all that the page is given. */

/** Violations of the page's policy. */
export const violations: string[] = []
const page = globalThis as unknown as EventTarget
page.addEventListener('securitypolicyviolation', (event) => {
  violations.push((event as Event & { blockedURI: string }).blockedURI)
})

/** Whether the page's policy lets a script be made of a string. */
export const evaluates = (() => {
  try {
    // eslint-disable-next-line @typescript-eslint/no-implied-eval -- that is the question
    return new Function('return true')() as boolean
  } catch {
    return false
  }
})()

/**
 * To a script that a debugger calls, as a test does, the page's policy does not apply: only to the page's
 * own.
 */
function ownTask(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve))
}

const heard: ChatEvent[] = []
let ended: Failure | undefined
let chat: ChatClient
let store: IndexedDbStore

/** Go on with what the browser keeps; with nothing at first. */
export async function start(url: string): Promise<Account | null> {
  await ownTask()
  store = await IndexedDbStore.open()
  chat = await ChatClient.open({ url, store, rsaKeyBits: 2048 })
  return chat.account
}

export async function register(username: string, password: string): Promise<Account> {
  await ownTask()
  return chat.register({ username, password, deviceName: 'browser' })
}

/** Hear everything from now on. */
export function listen(): void {
  void (async () => {
    await ownTask()
    ended = await failure(async () => {
      for await (const event of chat.events()) heard.push(event)
    })
  })()
}

/** A `ChatError`, as far as it can leave the page. */
export type Failure = Pick<ChatError, 'kind' | 'code' | 'hint'>

/** What has ended the events. */
export function endOfEvents(): Failure | undefined {
  return ended
}

async function failure(call: () => Promise<unknown>): Promise<Failure | undefined> {
  try {
    await call()
    return undefined
  } catch (error) {
    if (!(error instanceof ChatError)) throw error
    const { kind, code, hint } = error
    return { kind, code, ...(hint !== undefined && { hint }) }
  }
}

/** How calls of several kinds fail: one that sends, one that asks the server, one that asks the store. */
export async function failures(conversationId: string): Promise<(Failure | undefined)[]> {
  await ownTask()
  const calls = [
    () => chat.send(conversationId, 'to nobody'),
    () => chat.conversations.list(),
    () => chat.server(),
    () => chat.contacts.isWaiting(),
    () => store.get('device'),
    () => store.update((tx) => tx.set('device', null))
  ]
  return Promise.all(calls.map(failure))
}

/** How many conversations the server has for this user. */
export async function conversations(): Promise<number> {
  await ownTask()
  return (await chat.conversations.list()).length
}

const channels = BroadcastChannel.prototype
const speaks = Object.getOwnPropertyDescriptor(channels, 'postMessage')!

/** Whether this tab tells the others nothing, as one that the browser has frozen. */
export function mute(isMute: boolean): void {
  if (isMute) channels.postMessage = () => undefined
  else Object.defineProperty(channels, 'postMessage', speaks)
}

/** Another tab does away with the store. */
export function deleteStore(): void {
  const { indexedDB } = globalThis as unknown as { indexedDB: { deleteDatabase: (name: string) => void } }
  indexedDB.deleteDatabase('secure-chat')
}

export async function send(to: Recipient, content: string | Content): Promise<Sent> {
  await ownTask()
  return chat.send(to, content)
}

/** Events of a type, as far as they can leave the page. */
export function events(type: ChatEvent['type']): unknown[] {
  return heard.filter((event) => event.type === type).map((event) => JSON.parse(JSON.stringify(event)))
}

export function texts(): string[] {
  return heard.flatMap((event) =>
    event.type === 'message' && event.content.type === 'text' ? [event.content.text] : []
  )
}

/** A conversation as the page would draw it: one line a message, reactions behind it. */
export async function view(conversationId: string): Promise<string[]> {
  await ownTask()
  const messages: IncomingMessage[] = []
  for await (const item of chat.history(conversationId)) if (item.type === 'message') messages.push(item)
  return foldConversation(messages).messages.map(({ from, content, reactions }) =>
    [
      `${from.username}:`,
      (content as { text?: string }).text ?? content.type,
      ...Object.keys(reactions)
    ].join(' ')
  )
}

export async function safetyNumber(username: string): Promise<string> {
  await ownTask()
  return chat.contacts.safetyNumber(username)
}

/** Whether a script could take the private keys out of the browser. */
export async function extractable(): Promise<boolean[]> {
  type Pair = { privateKey: CryptoKey }
  const device = await store.get<{ signing: Pair; encryption: Pair }>('device')
  return [device!.signing, device!.encryption].map(({ privateKey }) => privateKey.extractable)
}
