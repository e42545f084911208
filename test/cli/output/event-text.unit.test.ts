import t from 'tap'
import { eventText } from '../../../src/cli/output/event-text.js'
import { ChatError, type ChatEvent } from '../../../src/client/index.js'

const conversationId = '0198c6f2-0000-7000-8000-000000000001'
const place = { conversationId, sessionKeyId: conversationId, from: { username: 'bob', deviceId: 'd' } }
const error = new ChatError('untrusted', 'bad-signature', 'It is not signed by \u001b]0;evil\u0007bob.')
const unreadable = { type: 'unreadable', ...place, id: 'i', position: 1, receivedAt: '', error } as const

const events: [event: ChatEvent, level: 'info' | 'warning', says: RegExp][] = [
  [{ type: 'withheld', ...place, first: 3, last: 3 }, 'warning', /^Lunch: Message 3 from bob/],
  [{ type: 'withheld', ...place, first: 3, last: 5 }, 'warning', /Messages 3 to 5/],
  [{ type: 'reordered', ...place, id: 'i', n: 4 }, 'warning', /arrived out of order/],
  [{ ...unreadable, reason: 'no-key' }, 'info', /appears when its key arrives/],
  [{ ...unreadable, reason: 'untrusted' }, 'warning', /was refused: It is not signed/],
  [{ type: 'not-sent', id: 'i', conversationId, error }, 'warning', /will not be sent/],
  [{ type: 'untrusted', error }, 'warning', /^the server showed/],
  [{ type: 'untrusted', error, conversationId }, 'warning', /^Lunch: the server showed/],
  [{ type: 'identity-changed', username: 'bob', wasVerified: true }, 'warning', /that you verified/],
  [{ type: 'identity-changed', username: 'bob', wasVerified: false }, 'warning', /accept bob$/],
  [{ type: 'device-requested', deviceId: 'd', name: 'phone', fingerprint: 'f' }, 'warning', /"phone"/],
  [{ type: 'device-changed', username: 'bob', change: 'rekeyed', deviceId: 'd' }, 'info', /was rekeyed/],
  [{ type: 'presence', username: 'bob', online: true, at: '' }, 'info', /^bob is online\.$/],
  [{ type: 'disconnected', retryIn: 5 }, 'info', /Trying again/],
  [{ type: 'reset' }, 'info', /may come again/]
]

t.test('Every event is a sentence, and a suspicious one is a warning', async (t) => {
  for (const [event, level, says] of events) {
    const shown = eventText(event, () => 'Lunch')
    t.equal(shown?.level, level, event.type)
    t.match(shown?.text, says, event.type)
  }
})

t.test('A change of members names the member and who made the change', async (t) => {
  const text = (change: 'added' | 'removed' | 'left' | 'role' | 'renewed') =>
    eventText(
      { type: 'members', conversationId, change, username: 'carol', by: 'alice', role: 'admin', position: 1 },
      () => 'Lunch'
    )?.text
  t.equal(text('added'), 'Lunch: alice added carol.')
  t.equal(text('removed'), 'Lunch: alice removed carol.')
  t.equal(text('left'), 'Lunch: carol left.')
  t.equal(text('role'), 'Lunch: alice made carol an admin.')
  t.equal(text('renewed'), 'Lunch: alice renewed the membership of carol, who has a new identity.')
})

t.test('The text of an event has no control characters', async (t) => {
  for (const [event] of events)
    t.notMatch(eventText(event, () => '\u001b[2J\u202eLunch\r')?.text, /[\p{Cc}\u202e]/u, event.type)
})
