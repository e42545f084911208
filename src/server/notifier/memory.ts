import type { Notifier } from './notifier.js'

/** For a process that has its database to itself: there is nobody to notify. */
export const noopNotifier: Notifier = {
  notify: () => undefined,
  listen: () => () => undefined,
  close: () => Promise.resolve()
}
