import { BASE64_NONCE, BASE64_SIGNATURE } from './ids.js'
import { Base64, Time, Uuid, record } from './schema.js'

/** How a device signs in with its key. Apart from what is in pages: a client needs only the nonce of all this. */

export const ChallengeRequest = record(
  { deviceId: Uuid('The device that wants to sign in.') },
  { $id: 'ChallengeRequest' }
)

const Nonce = (description: string) => Base64(description, { form: BASE64_NONCE, maxLength: 72 })

export const Challenge = record(
  {
    nonce: Nonce('For the device to sign. It counts once.'),
    expiresAt: Time('From then on the nonce does not count.')
  },
  { $id: 'Challenge', description: 'What a device signs to sign in.' }
)

export const DeviceLogin = record(
  {
    deviceId: Uuid('The device.'),
    nonce: Nonce('The nonce of a challenge for this device.'),
    signature: Base64('The device’s signature of its `device-login` statement.', {
      form: BASE64_SIGNATURE,
      maxLength: 88
    })
  },
  { $id: 'DeviceLogin' }
)
