/**
 * The areas of a store, the first parts of its names, whose records are large or change with each message, and
 * hold nothing secret: signed chains, public keys, counters, what was seen.
 */
const PUBLIC_AREAS: ReadonlySet<string> = new Set([
  'added',
  'chain',
  'counter',
  'cursor',
  'deleted',
  'deleted-at',
  'deleted-to',
  'flow',
  'flow-firsts',
  'flow-gaps',
  'gone',
  'gone-at',
  'growth',
  'heard-head',
  'lost-request',
  'lost-statement',
  'outbox-id',
  'past-due',
  'past-read',
  'proof',
  'public-key',
  'rekey',
  'renewal',
  'seen',
  'seen-written',
  'sending',
  'sharing',
  'sight',
  'stream-ended',
  'stream-read',
  'stream-run',
  'stream-start',
  'told',
  'trust-heads-due',
  'trust-sent-to',
  'unread',
  'user',
  'user-statement',
  'welcome',
  'welcomed',
  'wrong-wrap'
])

/**
 * Whether the record with this name has to leave the disk as soon as it is deleted or replaced: keys, tokens,
 * text. Everything that is not listed as public counts as secret.
 */
export function isSecret(name: string): boolean {
  return !PUBLIC_AREAS.has(name.split('/', 1)[0]!)
}
