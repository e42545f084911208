import type { ActiveSession } from '../access/sessions.js'
import type { Entry } from '../log/entry.js'

/** An open event stream, or a request that waits for events. */
export interface OpenStream {
  /** Replaced by the hub when the session has changed. */
  session: ActiveSession
  /** From which it was opened. */
  readonly network: string
  /** The stream has everything up to this position of the log. Moved on by the hub while it is subscribed. */
  through: number
  /** Take new entries, in order. */
  deliver: (entries: readonly Entry[]) => void
  /** Write frames of ephemeral events, unless the stream lags behind anyway. */
  announce: (frames: string) => void
  /** Called every second, with the time on the monotonic clock. */
  tick: (now: number) => void
  /** Say good-bye and close. */
  end: (reason: EndReason) => void
}

/** `replaced`: its device or user has opened another one, and may not have more. */
export type EndReason = 'revoked' | 'expired' | 'stopping' | 'replaced'
