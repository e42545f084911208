import { decodeHex } from '../../../src/crypto/encoding.js'
import { importSessionKey } from '../../../src/crypto/session-keys.js'
import { counting, examples, fakeHash } from './actors.js'

/** The session key of the worked examples and its place, and others to mistake them for. */
export const conversationId = '0198c6f3-1c08-7a3e-b5f4-0d9e6b2c8103'
export const otherConversation = '0198c6f3-1c08-7a3e-b5f4-0d9e6b2c8104'
export const { hash: key } = examples.sessionKey.statement
export const otherKey = fakeHash('the statement of another key')
const { id } = examples.sessionKey
export const sessionKey = await importSessionKey(id, decodeHex(examples.sessionKey.key))
export const otherSessionKey = await importSessionKey(id, counting(1)(32))
