import { randomBytes } from 'node:crypto'
import { uuidV7 } from './uuid-v7.js'

/** Senders and their conversations. The server cannot tell sealed messages from random bytes. */
export interface Senders {
  port: number
  tokens: string[]
  conversations: { id: string; sessionKeyId: string; key: string }[]
  /** Size of a ciphertext in bytes, tag included. */
  bytes: number
  /** Messages per request; undefined to send single messages. */
  batch?: number
}

export interface Request {
  bytes: Buffer
  /** Number of messages in the request. */
  messages: number
  /** The expected status. */
  status: number
  /** Gives all messages new ids. @returns the first id */
  renew: () => string
}

/** A request that sends a message or a batch. It is built once, and only its ids change. */
export function sendRequest({ tokens, conversations, bytes, batch }: Senders, n: number): Request {
  const token = tokens[n % tokens.length]!
  const { id, sessionKeyId, key } = conversations[n % conversations.length]!
  const message = () => ({
    id: uuidV7(),
    sessionKeyId,
    key,
    iv: randomBytes(12).toString('base64'),
    ciphertext: randomBytes(bytes).toString('base64'),
    signature: randomBytes(64).toString('base64')
  })
  const messages = Array.from({ length: batch ?? 1 }, message)
  const body = JSON.stringify(batch === undefined ? messages[0] : { messages })
  const head = [
    `POST /v1/conversations/${id}/messages${batch === undefined ? '' : '/batch'} HTTP/1.1`,
    'host: bench',
    'content-type: application/json',
    `content-length: ${body.length}`,
    `authorization: Bearer ${token}`
  ].join('\r\n')
  const request = Buffer.from(`${head}\r\n\r\n${body}`, 'latin1')
  const places = [...body.matchAll(/"id":"/g)].map(({ index }) => head.length + 4 + index + 6)
  return {
    bytes: request,
    messages: messages.length,
    status: batch === undefined ? 201 : 200,
    renew() {
      const fresh = places.map(() => uuidV7())
      for (const [at, place] of places.entries()) request.write(fresh[at]!, place, 'latin1')
      return fresh[0]!
    }
  }
}
