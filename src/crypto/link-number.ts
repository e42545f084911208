import { SHA256_HEX, USERNAME, UUID } from '../protocol/ids.js'
import { PROTOCOL } from '../protocol/statements.js'
import { comparedNumber } from './compared-number.js'
import { CryptoError } from './errors.js'

/** What both sides must see alike when a device is linked (docs/protocol.md, "Linking a device"). */
export interface DeviceLink {
  readonly user: string
  readonly root: string
  /** Hash of the newest statement of the user's chain. */
  readonly head: string
  /** Id of the new device. */
  readonly device: string
  /** The new device's fingerprints. `kemKey` is `-` if it has none. */
  readonly signingKey: string
  readonly encryptionKey: string
  readonly kemKey: string
}

const form = new RegExp(
  `^user ${USERNAME}\nroot ${SHA256_HEX}\nhead ${SHA256_HEX}\ndevice ${UUID}\n` +
    `signing-key ${SHA256_HEX}\nencryption-key ${SHA256_HEX}\nkem-key (?:${SHA256_HEX}|-)\n$`
)

/**
 * The text behind a link number, also for a QR code.
 *
 * @throws {CryptoError} `bad-encoding` if a field is malformed
 */
export function linkText({
  user,
  root,
  head,
  device,
  signingKey,
  encryptionKey,
  kemKey
}: DeviceLink): string {
  const lines =
    `user ${user}\nroot ${root}\nhead ${head}\ndevice ${device}\n` +
    `signing-key ${signingKey}\nencryption-key ${encryptionKey}\nkem-key ${kemKey}\n`
  if (!form.test(lines)) throw new CryptoError('bad-encoding', 'A name, id or hash of the link is malformed.')
  return `${PROTOCOL} link\n${lines}`
}

/**
 * The number that a person compares on the new device and on one that is linked: 12 groups of 5 digits. Takes
 * some hundredths of a second.
 *
 * @throws {CryptoError} `bad-encoding` if a field is malformed
 */
export async function linkNumber(link: DeviceLink): Promise<string> {
  return comparedNumber(linkText(link))
}
