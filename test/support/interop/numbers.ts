import { createHash } from 'node:crypto'
import { check } from './refused.js'

/** SHA-512, iterated 5,200 times over a text, as 12 groups of 5 digits. */
function digits(text: string): string {
  let digest = Buffer.alloc(0)
  for (let round = 0; round < 5200; round++)
    digest = createHash('sha512').update(digest).update(text).digest()
  const groups = Array.from({ length: 12 }, (_, group) => digest.readUIntBE(group * 5, 5) % 100_000)
  return groups.map((group) => String(group).padStart(5, '0')).join(' ')
}

const isHash = (text: string): boolean => /^[0-9a-f]{64}$/.test(text)

/** The number that two people compare, of their two roots in either order. @throws Refused if one is none */
export function safetyNumber(one: string, other: string): string {
  check(isHash(one) && isHash(other), 'a root that is none')
  const roots = [one, other].sort().map((root) => `root ${root}\n`)
  return digits(`secure-chat/v1 safety-number\n${roots.join('')}`)
}

/** What a screen knows when a device is linked. Keys are fingerprints. */
export interface DeviceLink {
  readonly user: string
  readonly root: string
  readonly head: string
  readonly device: string
  readonly signingKey: string
  readonly encryptionKey: string
  readonly kemKey: string
}

/** The text behind the link number, which a QR code shows. @throws Refused if a value has another form */
export function linkText(link: DeviceLink): string {
  const { user, root, head, device, signingKey, encryptionKey, kemKey } = link
  check(/^[a-z][a-z0-9_.-]{2,31}$/.test(user), `not a username: ${user}`)
  check(/^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$/.test(device), `not an id: ${device}`)
  check([root, head, signingKey, encryptionKey].every(isHash), 'a hash that is none')
  check(kemKey === '-' || isHash(kemKey), `not a fingerprint of a KEM key: ${kemKey}`)
  return (
    `secure-chat/v1 link\nuser ${user}\nroot ${root}\nhead ${head}\ndevice ${device}\n` +
    `signing-key ${signingKey}\nencryption-key ${encryptionKey}\nkem-key ${kemKey}\n`
  )
}

/** The number that both screens show. */
export const linkNumber = (link: DeviceLink): string => digits(linkText(link))
