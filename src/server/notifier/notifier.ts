/** The subjects of notices. */
export const topics = ['log', 'presence'] as const
export type Topic = (typeof topics)[number]

/**
 * Notifies the other processes, after a commit, that there is something new. A notice carries no data.
 * Notices may be merged or lost, so a listener also polls.
 */
export interface Notifier {
  /** Notify the other processes, not this one; returns at once. */
  notify: (topic: Topic) => void
  /** @returns how to stop listening */
  listen: (topic: Topic, onNotice: () => void) => () => void
  close: () => Promise<void>
}
