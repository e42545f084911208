import * as Type from 'typebox'
import { Username } from '../../protocol/schema.js'
import { PROTOCOL } from '../../protocol/statements.js'
import { ChatError } from '../errors.js'
import type { Http } from '../transport/http.js'
import type { ServerInfo } from '../types/account.js'

const LIMITS = ['ciphertextBytes', 'members', 'devices', 'rsaKeyBits'] as const

const ServerResponse = Type.Object({
  name: Type.String(),
  version: Type.String(),
  protocol: Type.String(),
  registration: Type.String(),
  moderators: Type.Array(Username),
  limits: Type.Object(Object.fromEntries(LIMITS.map((name) => [name, Type.Integer()]))),
  notice: Type.Union([Type.Object({ text: Type.String(), at: Type.String() }), Type.Null()]),
  time: Type.String()
})

/** @throws {ChatError} `other-protocol` (`usage`) */
export async function readServerInfo(http: Http): Promise<ServerInfo> {
  const { body } = await http.call({ method: 'GET', path: '/v1/server', response: ServerResponse })
  if (body.protocol === PROTOCOL) return body as ServerInfo
  throw new ChatError(
    'usage',
    'other-protocol',
    `The server speaks ${body.protocol}, this client ${PROTOCOL}.`
  )
}
