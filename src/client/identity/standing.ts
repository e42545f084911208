import type { UserHistory } from '../../protocol/user-history.js'
import { ChatError } from '../errors.js'
import type { Alarm } from './alarms.js'

/** How this device stands in its user's verified chain. `none`: there is no device, or it is not linked yet. */
export type Standing = 'active' | 'displaced' | 'revoked' | 'none'

/** @param history the copy of this client, whatever the server shows */
export function standingOf(
  history: UserHistory | undefined,
  device: { id: string; signingKey: string }
): Standing {
  const bound = history?.devices.get(device.signingKey)
  if (bound === undefined || bound.id !== device.id) return 'displaced'
  if (bound.retired === null) return bound.root === history!.chain.root ? 'active' : 'displaced'
  return history!.roots.some(({ since }) => since === bound.retired) ? 'displaced' : 'revoked'
}

/** The alarm for a device that is not its user's any more. */
export function standingAlarm(standing: 'displaced' | 'revoked', username: string): Alarm {
  const about = { username }
  if (standing === 'revoked')
    return {
      code: 'revoked',
      message: 'This device was revoked by another device of its user.',
      hint: 'It can read what it has, and send nothing. To use it again, log in as a new device.',
      about
    }
  return {
    code: 'displaced',
    message:
      'You began again on another device, or somebody has put another identity in your place: ' +
      'this device is not part of it.',
    hint:
      'If you did, log in as a new device to use it again. If you did not, the server or somebody with your ' +
      'password did: tell your contacts by another way.',
    about
  }
}

/** @throws {ChatError} `displaced` or `revoked` (`untrusted`) if the device is not its user's any more */
export function requireStanding(standing: Standing, username: string): void {
  if (standing !== 'displaced' && standing !== 'revoked') return
  const { code, message, hint } = standingAlarm(standing, username)
  throw new ChatError('untrusted', code, message, { hint: hint! })
}

export function noAccount(): ChatError {
  return new ChatError('usage', 'no-account', 'Nobody has registered or logged in here yet.')
}
