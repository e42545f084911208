import { setImmediate as nextTurn } from 'node:timers/promises'
import t from 'tap'
import { durableFrame } from '../../../src/server/features/events/frame.js'
import type { Entry } from '../../../src/server/log/entry.js'

t.test('A frame is made once for all readers of a turn, and is not kept as long as its entry', async (t) => {
  const json = '{"position":7,"username":"alice"}'
  const entry: Entry = {
    position: 7,
    type: 'device.chain',
    json: () => json,
    size: json.length,
    conversationId: null,
    recipients: [],
    joined: [],
    left: []
  }
  const first = durableFrame('epoch', entry)
  t.equal(durableFrame('epoch', entry), first)
  t.ok(first.toString().endsWith(`\nevent: device.chain\ndata: ${json}\n\n`))
  await nextTurn()
  const later = durableFrame('epoch', entry)
  t.not(later, first)
  t.same(later, first)
})
