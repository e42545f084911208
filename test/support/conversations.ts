import { randomBytes, randomUUID } from 'node:crypto'
import { chainRequest, creation, readChain, type Change, type Liberties } from './chain-requests.js'
import { signed, statementHash, statementText } from './interop/chains.js'
import { expect, type Answer } from './interop/http.js'
import type { InteropClient } from './interop/client.js'

export interface ChainReceipt {
  readonly head: string
  readonly sequence: number
  readonly lastPosition: number
}

/** A conversation as its members see it. */
export interface Shown {
  readonly id: string
  readonly kind: string
  readonly role: string
  readonly memberCount: number
  readonly members: readonly { username: string; role: string; root: string; joinedAt: number }[]
  readonly head: string
  readonly sequence: number
  readonly sessionKeyId: string
  readonly key: string
  readonly rekeyRequired: boolean
  readonly messageTtl: number
  readonly lastPosition: number
}

export const post = <T = unknown>(
  by: InteropClient,
  path: string,
  body: unknown,
  headers: Record<string, string> = {}
) => by.raw<T>('POST', path, { body, headers })

/** A conversation with its first session key. */
export async function found(
  by: InteropClient,
  kind: 'group' | 'direct' | 'self',
  others: readonly InteropClient[] = []
): Promise<string> {
  const body = await creation(
    by,
    kind,
    others.map(({ username }) => username)
  )
  expect(await post(by, '/v1/conversations', body), 201)
  return body.id
}

export async function show(by: InteropClient, id: string): Promise<Shown> {
  const { body } = expect(await by.raw<{ conversation: Shown }>('GET', `/v1/conversations/${id}`), 200)
  return body.conversation
}

/** Changes with the key that follows, on the chain as it is now. */
export async function change(
  by: InteropClient,
  id: string,
  changes: readonly Change[],
  liberties: Liberties & { of?: InteropClient } = {}
): Promise<Answer<ChainReceipt>> {
  const body = await chainRequest(by, await readChain(liberties.of ?? by, id), changes, liberties)
  return post(by, `/v1/conversations/${id}/chain`, body)
}

export async function newKey(
  by: InteropClient,
  id: string,
  liberties: Liberties = {}
): Promise<Answer<ChainReceipt>> {
  const { key } = await chainRequest(by, await readChain(by, id), [], liberties)
  return post(by, `/v1/conversations/${id}/session-keys`, key)
}

export async function leave(by: InteropClient, id: string): Promise<Answer<ChainReceipt>> {
  return post(by, `/v1/conversations/${id}/chain`, { statements: [await leaving(by, id)] })
}

/** The statement with which a device leaves. */
export async function leaving(by: InteropClient, id: string, of = by) {
  const { sequence, head } = await readChain(of, id)
  const text = statementText('conversation-leave', [
    ['conversation', id],
    ['sequence', sequence + 1],
    ['previous', head],
    ['by', by.keys.signingFp]
  ])
  return signed(text, by.keys)
}

/** The line of a member under the user's current root. */
export async function member(
  by: InteropClient,
  username: string,
  role = 'member'
): Promise<readonly ['member', string]> {
  return ['member', `${username} ${role} ${(await by.user(username)).root}`]
}

/** A message that nobody can open, under the newest session key. */
export async function envelope(by: InteropClient, id: string) {
  const { sessionKeyId, key } = await show(by, id)
  return {
    id: randomUUID() as string,
    sessionKeyId,
    key,
    iv: randomBytes(12).toString('base64'),
    ciphertext: randomBytes(300).toString('base64'),
    signature: randomBytes(64).toString('base64')
  }
}

export const say = <T = unknown>(by: InteropClient, id: string, message: unknown) =>
  post<T>(by, `/v1/conversations/${id}/messages`, message)

export const hashOf = (text: string) => statementHash({ text, signatures: {} })
