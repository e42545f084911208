import { randomBytes } from 'node:crypto'
import { uuidV7 } from './uuid-v7.js'

/** Who sends where. The server can't tell sealed messages from garbage of their shape. */
export interface Senders {
  port: number
  tokens: string[]
  conversations: { id: string; sessionKeyId: string }[]
  /** Bytes of ciphertext, the tag included. */
  bytes: number
  /** Messages in each request, if it is a batch. */
  batch?: number
}

export interface Request {
  bytes: Buffer
  /** Messages in it. */
  messages: number
  /** The status of its success. */
  status: number
  /** Give all its messages fresh ids. @returns the first of them */
  renew: () => string
}

/** A request to send a message or a batch, made once: only the ids change. */
export function sendRequest({ tokens, conversations, bytes, batch }: Senders, n: number): Request {
  const token = tokens[n % tokens.length]!
  const { id, sessionKeyId } = conversations[n % conversations.length]!
  const message = () => ({
    id: uuidV7(),
    sessionKeyId,
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
