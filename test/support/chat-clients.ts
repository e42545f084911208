import { ChatClient } from '../../src/client/client.js'
import type { ChatClientOptions } from '../../src/client/options.js'
import type { ChatEvent } from '../../src/client/types/events.js'
import type { Incoming, IncomingMessage } from '../../src/client/types/messages.js'
import { ChatError } from '../../src/client/errors.js'
import { MemoryStore } from '../../src/client/stores/memory.js'
import { DEADLINE_MS } from './eventually.js'
import { useReadyKeys } from './ready-keys.js'
import type { Scope } from './server-process.js'

export const PASSWORD = 'correct horse battery staple'

/**
 * A client of the SDK on a store of its own, closed with the test. RSA keys are as small as allowed, to be
 * quick.
 */
export async function client(
  owner: Scope,
  url: string,
  options: Partial<ChatClientOptions> = {}
): Promise<ChatClient> {
  useReadyKeys()
  const chat = await ChatClient.open({ url, store: new MemoryStore(), rsaKeyBits: 2048, ...options })
  owner.teardown(() => chat.close())
  return chat
}

/** The same, registered. */
export async function registered(
  owner: Scope,
  url: string,
  username: string,
  options: Partial<ChatClientOptions> = {}
): Promise<ChatClient> {
  const chat = await client(owner, url, options)
  await chat.register({ username, password: PASSWORD })
  return chat
}

/** Links a new device of a user by one that is linked: both show one number. One that was revoked begins as a new one. */
export async function link(first: ChatClient, next: ChatClient, deviceName = 'device'): Promise<string> {
  const { username } = first.account!
  const login = await next.login({ username, password: PASSWORD, deviceName, asNewDevice: true })
  if (login.status !== 'pending') throw new Error('a new device was let in without approval')
  await first.devices.approve(login.deviceId, { number: login.linkNumber })
  await next.confirmLink(login.linkNumber)
  await next.waitForApproval()
  return login.deviceId
}

/** The text of a message, if it is a text. */
export function textOf(event: { type: string } | undefined): string | undefined {
  const message = event as IncomingMessage | undefined
  return message?.type === 'message' && message.content.type === 'text' ? message.content.text : undefined
}

export async function all<T>(values: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = []
  for await (const value of values) found.push(value)
  return found
}

/** The texts of a conversation, oldest first; anything that is wrong comes as its type. */
export async function texts(chat: ChatClient, conversationId: string): Promise<string[]> {
  const read = await all<Incoming>(chat.history(conversationId, { after: 0 }))
  return read.map((item) => textOf(item) ?? item.type)
}

/** Listens from now on, and keeps what it hears. */
export class Listener {
  readonly heard: ChatEvent[] = []
  readonly #stop = new AbortController()
  readonly #done: Promise<void>
  /** Those who wait for more: several may at once. */
  readonly #waiting = new Set<() => void>()
  error: unknown

  constructor(owner: Scope, chat: Pick<ChatClient, 'events'>) {
    owner.teardown(() => this.stop())
    this.#done = this.#run(chat).catch((error: unknown) => {
      this.error = error
      this.#wake()
    })
  }

  async #run(chat: Pick<ChatClient, 'events'>): Promise<void> {
    for await (const event of chat.events({ signal: this.#stop.signal })) {
      this.heard.push(event)
      this.#wake()
    }
  }

  #wake(): void {
    for (const wake of this.#waiting) wake()
    this.#waiting.clear()
  }

  stop(): Promise<void> {
    this.#stop.abort()
    return this.#done
  }

  /**
   * The first event, heard already or to come, that fits. @throws what ended the stream, or that it takes too
   * long
   */
  async first<E extends ChatEvent['type']>(
    type: E,
    fits: (event: Extract<ChatEvent, { type: E }>) => boolean = () => true
  ): Promise<Extract<ChatEvent, { type: E }>> {
    const until = Date.now() + DEADLINE_MS
    for (let at = 0; ;) {
      for (; at < this.heard.length; at++) {
        const event = this.heard[at]!
        if (event.type === type && fits(event as Extract<ChatEvent, { type: E }>))
          return event as Extract<ChatEvent, { type: E }>
      }
      if (this.error !== undefined) throw this.error as Error
      const left = until - Date.now()
      if (left <= 0)
        throw new Error(`no ${type} in ${DEADLINE_MS} ms; heard ${this.heard.map((one) => one.type).join()}`)
      let timer: NodeJS.Timeout | undefined
      await new Promise<void>((resolve) => {
        this.#waiting.add(resolve)
        timer = setTimeout(resolve, left)
      })
      clearTimeout(timer)
    }
  }

  message(text: string): Promise<IncomingMessage> {
    return this.first('message', (event) => textOf(event) === text)
  }

  texts(): string[] {
    return this.heard.map(textOf).filter((text) => text !== undefined)
  }
}

/** Listens, once events come. */
export async function listening(owner: Scope, chat: Pick<ChatClient, 'events'>): Promise<Listener> {
  const listener = new Listener(owner, chat)
  await listener.first('connected')
  return listener
}

/** The error of a call that must fail. @throws if it does not fail, or not with a ChatError */
export async function failure(call: Promise<unknown>): Promise<ChatError> {
  try {
    await call
  } catch (error) {
    if (error instanceof ChatError) return error
    throw error
  }
  throw new Error('the call did not fail')
}
