import * as Type from 'typebox'
import { sign } from '../../crypto/keys.js'
import { AuthResponse } from '../../protocol/accounts.js'
import { RuleViolation } from '../../protocol/rule-violation.js'
import { statementText } from '../../protocol/statement-texts.js'
import { isRefusal } from '../errors.js'
import type { Http } from '../transport/http.js'
import type { OwnDevice } from './own-device.js'

/** The statement has the form of the nonce. */
const Challenge = Type.Object({ nonce: Type.String() })

/** Others may wait for the lock of the store meanwhile. */
const TIMEOUT_MS = 5000

/**
 * Begin a session with the key of this device (protocol, "Signing in with a device's key"). The signature is good only
 * at the origin that this client was given, and once.
 *
 * @returns null if there is no active device, or the server refuses: a person has to log in
 */
export async function signInWithKey(
  http: Http,
  { account, device }: Pick<OwnDevice, 'account' | 'device'>
): Promise<AuthResponse | null> {
  if (account?.status !== 'active' || device === null) return null
  const { id: deviceId, username: user, signing } = device
  // Not repeated one by one: a nonce counts once, and the answer may have been lost. The caller may begin again.
  const common = { method: 'POST', timeout: TIMEOUT_MS, tries: 1 } as const
  try {
    const path = '/v1/auth/challenges'
    const challenge = await http.call({ ...common, path, body: { deviceId }, response: Challenge })
    const { nonce } = challenge.body
    const login = { server: http.origin, user, device: deviceId, nonce, by: signing.fingerprint }
    const text = statementText({ kind: 'device-login', ...login })
    const body = { deviceId, nonce, signature: await sign(signing.privateKey, text) }
    return (await http.call({ ...common, path: '/v1/auth/device-login', body, response: AuthResponse })).body
  } catch (error) {
    // Some addresses have an origin that fits no statement.
    if (error instanceof RuleViolation) return null
    if (isRefusal(error, 'invalid-credentials', 'forbidden', 'not-found', 'unauthenticated')) return null
    throw error
  }
}
