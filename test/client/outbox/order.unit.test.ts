import t from 'tap'
import { SeenMessages } from '../../../src/client/messages/seen.js'
import { MemoryStore } from '../../../src/client/stores/memory.js'
import { failure } from '../../support/chat-clients.js'
import { sha256Hex } from '../../support/interop/crypto.js'
import { vectors } from '../../support/vectors.js'

interface Shown {
  device: string
  n: number
  id: string
  position: number
  text: string
  known?: true
  late?: true
  refused?: string
}

interface Vectors {
  cases: { about: string; shown: Shown[]; missing: Record<string, [first: number, last: number][]> }[]
}

const conversationId = '0198c6f5-0000-4000-8000-000000000001'
const key = sha256Hex('a session key')

for (const { about, shown, missing } of vectors<Vectors>('order').cases)
  t.test(about, async (t) => {
    const store = new MemoryStore()
    const highest = new Map<string, number>()
    for (const { device, text, known = false, late = false, refused, ...where } of shown) {
      // A ledger of its own for each: what counts is what was stored.
      const ledger = new SeenMessages(store)
      const counter = { conversationId, key, signingKey: sha256Hex(device) }
      const seen = { ...where, digest: sha256Hex(text), departed: false }
      if (refused !== undefined) {
        t.match(await failure(ledger.check(counter, seen)), { kind: 'untrusted', code: refused })
        continue
      }
      t.match(await ledger.check(counter, seen), { known, late })
      if (!known) await store.update((tx) => ledger.record(tx, counter, seen))
      highest.set(device, Math.max(where.n, highest.get(device) ?? 0))
    }
    for (const [device, last] of highest) {
      const ranges = await new SeenMessages(store).missing(
        { conversationId, key, signingKey: sha256Hex(device) },
        1,
        last
      )
      t.strictSame(
        ranges.map((range) => [range.first, range.last]),
        missing[device] ?? []
      )
    }
  })
