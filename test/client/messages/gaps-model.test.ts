import fc from 'fast-check'
import t, { type Test } from 'tap'
import { checkRuns, limitMs, RUNS } from '../model/runs.js'
import { GapScene, type Item, type Sender } from '../../support/gap-scene.js'
import { useReadyKeys } from '../../support/ready-keys.js'
import { shortenWaits } from '../../support/short-waits.js'

t.setTimeout(limitMs * 3)
useReadyKeys()
shortenWaits(t)

/** They are short. */
const runs = RUNS * 4

interface Step {
  act: keyof typeof acts | keyof typeof lies
  who: number
  which: number
}

type Act = (at: GapScene, sender: Sender, step: Step) => unknown

/** What happens with an honest server. */
const acts = {
  say: (at, sender) => at.say(sender),
  purge: (at, _, { which }) => at.purge(which),
  purgeNewest: (at) => at.purge(at.sent.length - 1),
  giveUp: (at, sender) => at.giveUp(sender, ++sender.n),
  giveUpLate: async (at, sender) => {
    sender.late.push(++sender.n)
    sender.voids.set(sender.n, undefined)
    await at.say(sender)
  },
  voidComes: async (at, sender) => {
    for (const n of sender.late.splice(0, 1)) await at.giveUp(sender, n)
  },
  read: (at, _, { who }) => at.read(who % 2),
  readSome: (at, _, { who, which }) => at.read(who % 2, 1 + (which % 4)),
  history: (at, _, { who, which }) =>
    at.history(who % 2, [{ after: 0 }, {}, { limit: 3 }, { after: at.placeOf(which) }][which % 4]),
  historyBefore: (at, _, { who, which }) => at.history(who % 2, { before: at.placeOf(which) }),
  restart: (at, _, { who }) => at.reopen(who % 2),
  breakStore: async (at, _, { who, which }) => {
    at.store.breaksAt = 1 + (which % 4)
    await at.read(who % 2)
    at.store.breaksAt = 0
  },
  disconnect: (at) => at.at.server.log.disconnect('bob'),
  restore: (at) => at.at.server.log.restore(at.at.server.log.position),
  trim: (at, _, { which }) => {
    at.trimmed = Math.max(at.trimmed, at.placeOf(which))
    at.at.server.log.trim(at.trimmed)
    at.at.server.log.disconnect('bob')
  }
} satisfies Record<string, Act>

/** What else a lying server does. */
const lies = {
  hide: (_, sender) => sender.hidden.push(++sender.n),
  historyOnly: (at, sender) => at.say(sender, false),
  moveTombstone: (at, _, { which }) => at.leaveTombstone(which, true),
  repeatTombstone: (at, _, { which }) => at.leaveTombstone(which, false)
} satisfies Record<string, Act>

type Weights = Partial<Record<Step['act'], number>>

function steps(weights: Weights): fc.Arbitrary<Step> {
  const weighed = Object.entries(weights).map(([act, weight]) => ({
    weight,
    arbitrary: fc.constant(act as Step['act'])
  }))
  return fc.record({ act: fc.oneof(...weighed), who: fc.nat({ max: 5 }), which: fc.nat({ max: 31 }) })
}

const honest = {
  say: 8,
  purge: 3,
  purgeNewest: 3,
  giveUp: 1,
  giveUpLate: 1,
  voidComes: 2,
  read: 3,
  readSome: 5
}
const rare = { history: 2, historyBefore: 1, restart: 1, breakStore: 2, disconnect: 1, restore: 1, trim: 1 }

/** Plays the steps, then everything is read to its end. */
async function play(
  t: Test,
  groups: readonly (readonly Step[])[],
  judge: (at: GapScene) => void
): Promise<void> {
  const at = await GapScene.open(t)
  try {
    for (const step of groups.flat()) {
      const sender = at.senders[step.who % 3]!
      at.log.push(`${step.act} ${sender.name} ${step.which}`)
      await ({ ...acts, ...lies } as Record<string, Act>)[step.act]!(at, sender, step)
    }
    for (const sender of at.senders) {
      for (const n of sender.late.splice(0)) await at.giveUp(sender, n)
      await at.say(sender)
    }
    for (const which of [0, 1]) await at.read(which)
    for (const range of [{ after: 0 }, {}]) await at.history(0, range)
    judge(at)
  } catch (error) {
    throw new Error(`${error instanceof Error ? error.message : String(error)}\n${at.describe()}`, {
      cause: error
    })
  } finally {
    for (const reader of at.readers) await reader.close()
  }
}

/** Plays many rows of steps. @throws in `judge` what is wrong at the end of one */
function search(t: Test, weights: Weights, judge: (at: GapScene) => void): Promise<void> {
  return checkRuns(t, steps(weights), (groups) => play(t, groups, judge), undefined, runs)
}

const ALARMS = ['withheld', 'reordered', 'untrusted', 'unreadable']

/** An alarm that is not told for a number that was given up, and whose void comes behind the message. */
function requireNoAlarm({ senders }: GapScene, items: readonly Item[]): void {
  for (const [at, item] of items.entries()) {
    if (!ALARMS.includes(item.type)) continue
    if (item.type !== 'withheld') throw new Error(`false alarm: ${JSON.stringify(item)}`)
    const { first, last, from } = item
    const isOwn = (one: Item) => one.type === 'message' && one.from.signingKey === from.signingKey
    const next = items.slice(at).find(isOwn) as { position: number } | undefined
    const { voids } = senders.find((one) => one.signingKey === from.signingKey)!
    const isLate = (n: number, place = Infinity) => n >= first && n <= last && place > (next?.position ?? 0)
    if (![...voids].some(([n, place]) => isLate(n, place)))
      throw new Error(`false alarm: ${JSON.stringify(item)}`)
  }
}

const idsOf = (items: readonly Item[]): string[] =>
  items.flatMap((item) => (item.type === 'message' && item.content.type === 'text' ? [item.id] : []))

t.test('An honest server causes no alarm, and each message is shown once', (t) =>
  search(t, { ...honest, ...rare }, (at) => {
    const kept = at.sent.filter((one) => !at.isPurged(one)).map(({ message }) => message)
    const requireAll = (shown: string[], from: number, to: number): void => {
      const due = kept.filter(({ position }) => position >= from && position <= to).map(({ id }) => id)
      const missing = due.filter((id) => shown.filter((one) => one === id).length !== 1)
      if (missing.length > 0) throw new Error(`not shown once: ${missing.length} of ${due.length}`)
    }
    for (const items of [...at.heard(), ...at.reads]) requireNoAlarm(at, items)
    for (const run of at.heard()) {
      const places = run.flatMap((item) => (item.type === 'message' ? [item.position] : []))
      if (places.length > 0) requireAll(idsOf(run), places[0]!, places.at(-1)!)
    }
    const heard = [...new Set(at.heard().flatMap(idsOf))]
    requireAll(heard, at.trimmed + 1, Infinity)
    for (const read of at.reads.slice(-2)) requireAll(idsOf(read), 0, Infinity)
  })
)

/**
 * All numbers that are missing are told, except as many as there are tombstones. In front of a void one may stand for
 * another number than its own.
 *
 * @param shown messages that are not missing in the stream, since they were read before they were deleted
 */
function requireTold(at: GapScene, items: readonly Item[], shown: ReadonlySet<string> = new Set()): void {
  for (const by of at.senders) {
    const purged = by.purged.filter(({ message }) => !shown.has(message.id))
    const gaps = items
      .filter((item) => item.type === 'withheld')
      .filter((one) => one.from.signingKey === by.signingKey)
    const isTold = (n: number): boolean => gaps.some(({ first, last }) => n >= first && n <= last)
    const untold = [...by.hidden, ...purged.map(({ n }) => n)].filter((n) => !isTold(n))
    const deleted = new Set(items.flatMap((item) => (item.type === 'message-deleted' ? [item.id] : [])))
    const all = by.voids.size > 0 ? by.purged : purged
    const standing = all.filter(({ message }) => deleted.has(message.id)).length
    if (untold.length > standing)
      throw new Error(`${by.name}: ${untold.join()} are not told, and ${standing} tombstones stand for them`)
  }
}

t.test('A client tells what a lying server hides, except as many messages as it sees tombstones', (t) =>
  search(t, { ...honest, ...rare, hide: 4, historyOnly: 2, moveTombstone: 2, repeatTombstone: 2 }, (at) => {
    const shown = new Set([...at.heard(), ...at.reads].flatMap(idsOf))
    requireTold(at, at.heard().flat(), shown)
    for (const read of at.reads.slice(-2)) requireTold(at, read)
  })
)
