import { AuthResponse } from '../../protocol/accounts.js'
import { ChatError, isRefusal } from '../errors.js'
import type { OwnDevice } from '../identity/own-device.js'
import type { Http } from '../transport/http.js'
import type { Credentials } from '../types/account.js'
import { toUsername } from './username.js'

/**
 * The credentials as they are sent. Keyboards encode the same characters in different ways, so passwords are
 * normalised to NFKC.
 *
 * @throws {ChatError} `invalid-username`, `no-password` (`usage`)
 */
export function normalizedCredentials({ username, password, ...rest }: Credentials): Credentials {
  if (typeof password !== 'string') throw new ChatError('usage', 'no-password', 'There is no password.')
  return { ...rest, username: toUsername(username), password: password.normalize('NFKC') }
}

/** @throws {ChatError} `other-account` (`usage`) if the store belongs to another user; as above */
export function ownCredentials(given: Credentials, { account }: Pick<OwnDevice, 'account'>): Credentials {
  const credentials = normalizedCredentials(given)
  if (account === null || account.username === credentials.username) return credentials
  throw new ChatError('usage', 'other-account', `This store belongs to ${account.username}.`, {
    hint: 'Use another store, or log out and forget this device.'
  })
}

/**
 * Ask for a session.
 *
 * @param deviceId without one, the session has no device
 * @throws {ChatError} `invalid-credentials`, `device-not-found` or `device-pending` (`refused`)
 */
export async function signIn(
  http: Http,
  { username, password }: Credentials,
  deviceId?: string
): Promise<AuthResponse> {
  const body = { username, password, ...(deviceId !== undefined && { deviceId }) }
  const path = '/v1/auth/login'
  return (await http.call({ method: 'POST', path, body, response: AuthResponse, once: true })).body
}

/** A session for a device; null if the server says that the user has no such active device, which is a hint. */
export async function signInAs(
  http: Http,
  credentials: Credentials,
  deviceId: string
): Promise<AuthResponse | null> {
  try {
    return await signIn(http, credentials, deviceId)
  } catch (error) {
    if (isRefusal(error, 'device-not-found', 'device-pending')) return null
    throw error
  }
}
