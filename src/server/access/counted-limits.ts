import type { Config } from '../config.js'
import type { variables } from '../variables.js'

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const DAY_MS = 24 * HOUR_MS

/** A limit on how often something may happen within a window of time, or how much of it. */
export interface CountedLimit {
  /** What is counted, for people. */
  what: string
  per: string
  windowMs: number
  /** The variable that sets it; without one the number is fixed. */
  setting?: keyof typeof variables
  /** `Infinity` if the limits are off. */
  max: (config: Config) => number
}

const fixed = (max: number) => ({
  max: ({ rateLimits }: Config) => (rateLimits.enabled ? max : Infinity)
})

/**
 * Every limit that is counted in memory, for all processes together. A key is the id or the name of its owner; a
 * place may follow after a space. `docs/limits.md` is made from this table.
 */
export const countedLimits = {
  auth: {
    what: 'registrations, log-ins, sign-ins with the key of a device, and refreshes',
    per: 'network; for refreshes the session',
    windowMs: MINUTE_MS,
    setting: 'RATE_LIMIT_AUTH',
    max: ({ rateLimits }) => rateLimits.perMinute.auth
  },
  read: {
    what: 'calls that read',
    per: 'user; without a token the network',
    windowMs: MINUTE_MS,
    setting: 'RATE_LIMIT_READ',
    max: ({ rateLimits }) => rateLimits.perMinute.read
  },
  write: {
    what: 'calls that write; one more for each 16 wraps of a conversation or session key',
    per: 'user; without a token the network',
    windowMs: MINUTE_MS,
    setting: 'RATE_LIMIT_WRITE',
    max: ({ rateLimits }) => rateLimits.perMinute.write
  },
  send: {
    what: 'messages sent, those of a batch too',
    per: 'user',
    windowMs: MINUTE_MS,
    setting: 'RATE_LIMIT_SEND',
    max: ({ rateLimits }) => rateLimits.perMinute.send
  },
  'refused-tokens': {
    what: 'refused tokens',
    per: 'session; if the server has not signed the token, the network',
    windowMs: MINUTE_MS,
    setting: 'RATE_LIMIT_READ',
    max: ({ rateLimits }) => rateLimits.perMinute.read
  },
  'guesses-here': {
    what: 'wrong passwords from one network',
    per: 'account and network',
    windowMs: 15 * MINUTE_MS,
    ...fixed(10)
  },
  'guesses-everywhere': {
    what: 'wrong passwords from all networks; log-ins from networks that the owner has used go on',
    per: 'account',
    windowMs: HOUR_MS,
    ...fixed(100)
  },
  'device-logins': {
    what: 'sign-ins with the key of a device, if the signature is right',
    per: 'device',
    windowMs: HOUR_MS,
    ...fixed(30)
  },
  'password-resets': {
    what: 'wrong links for a new password',
    per: 'network',
    windowMs: 15 * MINUTE_MS,
    ...fixed(10)
  },
  'refused-invites': {
    what: 'registrations with an invitation that cannot be used',
    per: 'network',
    windowMs: 15 * MINUTE_MS,
    ...fixed(30)
  },
  'message-bytes': {
    what: 'bytes of ciphertext that are stored',
    per: 'user',
    windowMs: DAY_MS,
    setting: 'MESSAGE_BYTES_PER_DAY',
    max: ({ messages }) => messages.bytesPerDay
  },
  groups: {
    what: 'groups created',
    per: 'user',
    windowMs: DAY_MS,
    setting: 'GROUPS_PER_DAY',
    max: ({ contacts }) => contacts.perDay.groups
  },
  requests: {
    what: 'requests to users who do not know the sender',
    per: 'sender',
    windowMs: DAY_MS,
    setting: 'REQUESTS_PER_DAY',
    max: ({ contacts }) => contacts.perDay.requests
  },
  invites: {
    what: 'invitations made',
    per: 'user',
    windowMs: DAY_MS,
    setting: 'INVITES_PER_DAY',
    max: ({ invites }) => invites.perDay
  },
  exports: {
    what: 'exports of a user’s data',
    per: 'user',
    windowMs: DAY_MS,
    setting: 'EXPORTS_PER_DAY',
    max: ({ exportsPerDay }) => exportsPerDay
  }
} satisfies Record<string, CountedLimit>

export type CountedName = keyof typeof countedLimits
