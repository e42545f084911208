/** A device in the roster of a session key. Keys are fingerprints; `-` stands for no KEM key. */
export interface RosterDevice {
  username: string
  id: string
  signingKey: string
  encryptionKey: string
  kemKey: string
}

/** The text whose SHA-256 is the `roster` of a `conversation-key`: a line for each device, sorted by bytes. */
export function rosterText(devices: readonly RosterDevice[]): string {
  return devices
    .map(
      ({ username, id, signingKey, encryptionKey, kemKey }) =>
        `${username} ${id} ${signingKey} ${encryptionKey} ${kemKey}\n`
    )
    .sort()
    .join('')
}
