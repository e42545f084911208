import type { Bell } from './notifier.js'

/** The bell of a process that has its database to itself: there is nobody to ring for. */
export const silentBell: Bell = {
  ring: () => undefined,
  listen: () => () => undefined,
  close: () => Promise.resolve()
}
