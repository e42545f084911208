import type { Test } from 'tap'
import type { ChatClient } from '../../src/client/client.js'
import type { ChatClientOptions } from '../../src/client/options.js'
import type { ChatEvent } from '../../src/client/types/events.js'
import type { Incoming } from '../../src/client/types/messages.js'
import { all, registered, textOf } from './chat-clients.js'
import { startChat, type Chat } from './start-chat.js'
import * as crypto from './interop/crypto.js'
import { signed, statementText, type Statement } from './interop/chains.js'
import type { Covered } from './interop/conversations.js'
import { tamperingProxy, type Answer, type TamperingProxy } from './tampering-proxy.js'

type Body = Record<string, unknown>

/** Records all that a client posts, and can answer in the server's place. */
export class RecordingFetch {
  readonly seen: { path: string; body: Body }[] = []
  /** Answers in the server's place, by the last part of the path. */
  readonly answers = new Map<string, (body: Body) => Response>()

  readonly fetch: typeof globalThis.fetch = (input, init) => {
    if (init?.method !== 'POST' || typeof init.body !== 'string') return globalThis.fetch(input, init)
    const { pathname } = new URL(input)
    const body = JSON.parse(init.body) as Body
    this.seen.push({ path: pathname, body })
    const answer = this.answers.get(lastPart(pathname))
    return answer ? Promise.resolve(answer(body)) : globalThis.fetch(input, init)
  }

  /** The last part of the paths that were posted to: `messages`, `session-keys`, … */
  kinds(): string[] {
    return this.seen.map(({ path }) => lastPart(path))
  }

  /** For whom session keys were wrapped. */
  wrappedFor(): string[] {
    const wraps = this.seen.flatMap(({ body }) => (body['wraps'] ?? []) as { deviceId: string }[])
    return wraps.map(({ deviceId }) => deviceId)
  }
}

const lastPart = (path: string): string => path.replace(/.*\//, '')

export interface MaliciousServer extends Chat {
  readonly proxy: TamperingProxy
  /** A user of the SDK to whom the server may lie. */
  victim: (name: string, options?: Partial<ChatClientOptions>) => Promise<ChatClient>
}

/** The same as `startChat`, behind a proxy that changes answers to its victims when a test says so. */
export async function maliciousServer(t: Test): Promise<MaliciousServer> {
  const chat = await startChat(t)
  const proxy = await tamperingProxy(t, chat.url)
  const victim = (name: string, options: Partial<ChatClientOptions> = {}): Promise<ChatClient> =>
    registered(t, proxy.url, name, { random: () => 0, ...options })
  return { ...chat, proxy, victim }
}

export const isHistory = ({ path }: Answer): boolean => path.includes('/messages?')
export const isProfile = ({ path }: Answer, username: string): boolean =>
  path.startsWith(`/v1/users/${username}?`)
export const isSessionKey = ({ path }: Answer): boolean => /\/session-keys\/./.test(path)

/** An event or item in short: its text, its error's code, or the range that is missing. */
export function inShort(item: ChatEvent | Incoming): string {
  if (item.type === 'unreadable' || item.type === 'untrusted') return item.error.code
  if (item.type === 'withheld') return `withheld ${item.first}–${item.last}`
  return textOf(item) ?? item.type
}

/** The items that a client reads in a conversation, in short, oldest first. */
export async function told(chat: ChatClient, conversationId: string, after = 0): Promise<string[]> {
  return (await all<Incoming>(chat.history(conversationId, { after }))).map(inShort)
}

/** A session key as the server might show it to one device, with a valid signature of whoever is named. */
export function forgedKey(
  place: { id: string; conversationId: string; head: string },
  covered: readonly Covered[],
  { by, signer = by, key = crypto.newSessionKey() }: Forger
): { id: string; statement: Statement; roster: crypto.RosterLine[]; createdAt: string; key: Buffer } {
  const roster = covered.map(({ signingKey, encryptionKey }) => ({
    signingKey,
    encryptionKey: crypto.fingerprint(encryptionKey)
  }))
  const text = statementText('session-key', [
    ['conversation', place.conversationId],
    ['session-key', place.id],
    ['head', place.head],
    ['commitment', crypto.commitment(key, place.id)],
    ['roster', crypto.rosterHash(roster)],
    ['by', by.signingFp]
  ])
  return { id: place.id, statement: inTheNameOf(by, signer, text), roster, createdAt: NOW, key }
}

export interface Forger {
  /** The device that the statement names. */
  readonly by: crypto.DeviceKeys
  /** The device whose key made the signature. */
  readonly signer?: crypto.DeviceKeys
  readonly key?: Buffer
}

/** A statement that bears one device's name and another one's signature. */
export function inTheNameOf(by: crypto.DeviceKeys, signer: crypto.DeviceKeys, text: string): Statement {
  return { text, signatures: { [by.signingFp]: signed(text, signer).signatures[signer.signingFp]! } }
}

const NOW = '2026-01-31T12:00:00.000Z'
