/** What one can listen for. */
export const topics = ['log', 'presence'] as const
export type Topic = (typeof topics)[number]

/**
 * The bell between processes. It carries no data: a ring says "look", after a commit. Rings may be merged or
 * lost, so whoever listens also looks from time to time by himself.
 */
export interface Notifier {
  /** Tell the other processes to look; returns at once. Whoever rings looks for himself. */
  notify: (topic: Topic) => void
  /** @returns how to stop listening */
  listen: (topic: Topic, onRing: () => void) => () => void
  close: () => Promise<void>
}
