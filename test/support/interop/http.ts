import { Agent, request as httpRequest, type IncomingHttpHeaders } from 'node:http'
import type { Link, Statement } from './chains.js'

export interface Answer<T> {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: T
}

export interface Problem {
  readonly type: string
  readonly title: string
  readonly status: number
  readonly detail: string
  readonly head?: string
  readonly state?: readonly (Link & { readonly username: string })[]
  readonly missing?: readonly string[]
  readonly unexpected?: readonly string[]
}

export interface PublicDevice {
  readonly id: string
  readonly signingKey: string
  readonly encryptionKey: string
  readonly kemKey?: string
  readonly encryptionVersion: number
}

export interface SessionAnswer {
  readonly user: { readonly id: string; readonly username: string }
  readonly device: { readonly id: string } | null
  readonly accessToken: string
  readonly expiresIn: number
  readonly refreshToken: string
}

/** A page of a user's chain, with the signing keys that verify it. */
export interface UserChainPage extends Page<Statement> {
  readonly head: string
  readonly keys: readonly string[]
}

export interface UserAnswer {
  readonly user: { readonly id: string; readonly username: string }
  readonly root: string
  readonly devices: readonly PublicDevice[]
  readonly chain: UserChainPage
}

export interface RosterAnswer extends Link {
  readonly sessionKeyId: string
  readonly rekeyRequired: boolean
  readonly members: readonly {
    readonly username: string
    readonly role: string
    readonly root: string
    readonly chain: Link
    readonly devices: readonly PublicDevice[]
  }[]
  readonly next: string | null
}

/** What the server says of a change: where the request stands now. */
export interface ChainReceipt extends Link {
  readonly lastPosition: number
}

export interface Page<T> {
  readonly items: readonly T[]
  readonly next: string | null
}

/** A message as it travels. */
export interface Sealed {
  readonly id: string
  readonly sessionKeyId: string
  /** Hash of the `conversation-key` statement. */
  readonly key: string
  readonly iv: string
  readonly ciphertext: string
  readonly signature: string
}

export interface Message extends Sealed {
  readonly conversationId: string
  readonly position: number
  readonly sender: { readonly userId: string; readonly username: string; readonly deviceId: string }
  readonly createdAt: string
}

/** What stands in the place of a message that an admin has deleted: the server's word. */
export type DeletedMessage = Pick<Message, 'id' | 'position' | 'sender' | 'key'>

export interface MessagePage extends Page<Message> {
  readonly deleted: readonly DeletedMessage[]
}

export interface Receipt {
  readonly id: string
  readonly position: number
  readonly createdAt: string
}

export interface SessionKeyItem {
  readonly id: string
  readonly statement: Statement
  readonly wrappedKey?: string
  readonly added: readonly { readonly wrappedKey: string; readonly statement: Statement }[]
}

export interface Call {
  readonly method: string
  readonly path: string
  /** Sent as JSON unless it is a string or bytes, which go as they are. */
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
  readonly token?: string | undefined
  readonly timeoutMs?: number
}

export const newAgent = (connections = 8): Agent => new Agent({ keepAlive: true, maxSockets: connections })

/** One request, one answer of any status; rejects only if the connection fails. */
export function call<T>(base: string, agent: Agent, what: Call): Promise<Answer<T>> {
  const headers: Record<string, string | number> = { accept: 'application/json', ...what.headers }
  if (what.token !== undefined) headers['authorization'] = `Bearer ${what.token}`
  let payload: Buffer | undefined
  if (what.body !== undefined) {
    const ready = typeof what.body === 'string' || what.body instanceof Uint8Array
    payload = Buffer.from(ready ? what.body : JSON.stringify(what.body))
    headers['content-type'] ??= 'application/json'
    headers['content-length'] = payload.length
  }
  return new Promise((resolve, reject) => {
    const request = httpRequest(
      new URL(what.path, base),
      { method: what.method, agent, headers },
      (response) => {
        const chunks: Buffer[] = []
        response.on('data', (chunk: Buffer) => chunks.push(chunk))
        response.on('error', reject)
        response.on('end', () => {
          const text = Buffer.concat(chunks).toString('utf8')
          const json = /^application\/([a-z.-]+\+)?json/.test(response.headers['content-type'] ?? '')
          try {
            const body = (json && text !== '' ? JSON.parse(text) : text === '' ? undefined : text) as T
            resolve({ status: response.statusCode ?? 0, headers: response.headers, body })
          } catch (error) {
            reject(error instanceof Error ? error : new Error(String(error)))
          }
        })
      }
    )
    request.setTimeout(what.timeoutMs ?? 70_000, () => request.destroy(new Error(`no answer: ${what.path}`)))
    request.on('error', reject)
    request.end(payload)
  })
}

/** The last part of a problem's type, such as `rekey-required`; empty if the answer is no problem. */
export function problem(answer: Answer<unknown>): string {
  const body = answer.body as Partial<Problem> | undefined
  return typeof body?.type === 'string' ? body.type.replace(/^.*\//, '') : ''
}

export const problemBody = (answer: Answer<unknown>): Problem => answer.body as Problem

/** @throws with the answer in the text unless it has one of these statuses. */
export function expect<T>(answer: Answer<T>, ...statuses: readonly number[]): Answer<T> {
  if (!statuses.includes(answer.status)) {
    throw new Error(`expected ${statuses.join(' or ')}, got ${answer.status}: ${JSON.stringify(answer.body)}`)
  }
  return answer
}
