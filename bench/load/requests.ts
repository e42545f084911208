import { randomBytes } from 'node:crypto'
import { uuidV7 } from './uuid-v7.js'

/** Who sends where. The server can't tell sealed messages from garbage of their shape. */
export interface Senders {
  port: number
  tokens: string[]
  conversations: { id: string; sessionKeyId: string }[]
  /** Bytes of ciphertext, the tag included. */
  bytes: number
}

export interface Request {
  bytes: Buffer
  /** Give it a fresh message id, which is returned. */
  renew: () => string
}

/** A request to send a message, made once: only its id changes. */
export function sendRequest({ tokens, conversations, bytes }: Senders, n: number): Request {
  const token = tokens[n % tokens.length]!
  const { id, sessionKeyId } = conversations[n % conversations.length]!
  const body = JSON.stringify({
    id: uuidV7(),
    sessionKeyId,
    iv: randomBytes(12).toString('base64'),
    ciphertext: randomBytes(bytes).toString('base64'),
    signature: randomBytes(64).toString('base64')
  })
  const head = [
    `POST /v1/conversations/${id}/messages HTTP/1.1`,
    'host: bench',
    'content-type: application/json',
    `content-length: ${body.length}`,
    `authorization: Bearer ${token}`
  ].join('\r\n')
  const request = Buffer.from(`${head}\r\n\r\n${body}`, 'latin1')
  const idAt = request.indexOf('"id":"') + 6
  return {
    bytes: request,
    renew() {
      const fresh = uuidV7()
      request.write(fresh, idAt, 'latin1')
      return fresh
    }
  }
}
