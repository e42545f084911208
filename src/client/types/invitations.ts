/** A link for people who are not here yet, or for those who are. */
export type Link =
  | {
      type: 'join'
      /** The origin of the server. */
      url: string
      /** Admits to the server. */
      token: string
      /** Null if the operator has made it. */
      inviter: { username: string; root: string; secret: string } | null
    }
  | { type: 'add'; url: string; username: string; root: string }

export interface NewInvitation {
  /** Ids of groups to which this device adds whoever comes. */
  groups?: readonly string[]
  /** How many accounts it may make (1). One for several people verifies nobody. */
  uses?: number
  /** Days until it expires (7). */
  days?: number
  /** For the list of invitations. The server can read it. */
  note?: string
}

export interface CreatedInvitation {
  id: string
  /** To be given to the person, by a way that others do not read. */
  link: string
  expiresAt: string
}

export interface Invitation {
  id: string
  note: string
  maxUses: number
  uses: number
  /** Who came by it, as the server says. */
  usedBy: { username: string; usedAt: string }[]
  createdAt: string
  expiresAt: string
  revokedAt: string | null
  /** Whether this device has made it: only that one verifies whoever comes, and adds them to groups. */
  isFromHere: boolean
  groups: string[]
}
