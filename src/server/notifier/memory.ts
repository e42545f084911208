import type { Notifier } from './notifier.js'

/** The bell of a process that has its database to itself: there is nobody to ring for. */
export const noopNotifier: Notifier = {
  notify: () => undefined,
  listen: () => () => undefined,
  close: () => Promise.resolve()
}
