import t from 'tap'
import { eventText } from '../../../src/cli/output/event-text.js'
import { ChatError, type ChatEvent } from '../../../src/client/index.js'

const conversationId = '0198c6f2-0000-7000-8000-000000000001'
const root = '91f0c2aa'.repeat(8)
const from = { username: 'bob', deviceId: 'd', signingKey: root }
const place = { conversationId, key: root, from }
const names = { of: () => 'Lunch', me: 'alice' }
const error = new ChatError('untrusted', 'bad-signature', 'It is not signed by \u001b]0;evil\u0007bob.')
const unreadable = { type: 'unreadable', ...place, id: 'i', position: 1, receivedAt: '', error } as const

const events: [event: ChatEvent, level: 'info' | 'warning', says: RegExp][] = [
  [{ type: 'withheld', ...place, first: 3, last: 3, count: 1 }, 'warning', /^Lunch: Message 3 from bob/],
  [{ type: 'withheld', ...place, first: 3, last: 5, count: 3 }, 'warning', /Messages 3 to 5 from/],
  [{ type: 'withheld', ...place, first: 3, last: 9, count: 4 }, 'warning', /4 of the messages 3 to 9 from/],
  [{ type: 'reordered', ...place, id: 'i', n: 4 }, 'warning', /arrived out of order/],
  [{ ...unreadable, reason: 'no-key' }, 'info', /appears when its key arrives/],
  [{ ...unreadable, reason: 'untrusted' }, 'warning', /was refused: It is not signed/],
  [
    {
      ...unreadable,
      reason: 'untrusted',
      error: new ChatError('untrusted', 'bad-wrap', 'It does not open.')
    },
    'warning',
    /a message from bob cannot be read\. It does not open\.$/
  ],
  [{ type: 'not-sent', id: 'i', conversationId, error }, 'warning', /will not be sent: It is not signed/],
  [{ type: 'untrusted', error }, 'warning', /^It is not signed[^]*Nothing of it was used/],
  [{ type: 'untrusted', error, conversationId }, 'warning', /^Lunch: It is not signed/],
  [{ type: 'identity-changed', username: 'bob', root, wasVerified: true }, 'warning', /that you verified/],
  [
    { type: 'identity-changed', username: 'bob', root, wasVerified: false },
    'warning',
    new RegExp(`new identity: ${root}\\..* secure-chat accept bob ${root}$`)
  ],
  [{ type: 'device-requested', deviceId: 'd', name: 'phone' }, 'warning', /"phone"[^]*devices approve d$/],
  [{ type: 'timer', conversationId, messageTtl: 604_800, by: 'bob', position: 1 }, 'info', /after 1 week\.$/],
  [{ type: 'timer', conversationId, messageTtl: 0, by: 'bob', position: 1 }, 'info', /bob wants .* kept/],
  [
    { type: 'device-changed', username: 'bob', change: 'rekeyed', deviceId: 'd' },
    'info',
    /^Devices of bob: 1 with/
  ],
  [
    { type: 'device-changed', username: 'alice', change: 'added', deviceId: 'd' },
    'info',
    /^Your devices: 1 added/
  ],
  [{ type: 'presence', username: 'bob', online: true, at: '' }, 'info', /^bob is online\.$/],
  [{ type: 'disconnected', retryIn: 5 }, 'info', /Trying again/],
  [{ type: 'reset' }, 'info', /may come again/]
]

t.test('Every event is a sentence, and a suspicious one is a warning', async (t) => {
  for (const [event, level, says] of events) {
    const shown = eventText(event, names)
    t.equal(shown?.level, level, event.type)
    t.match(shown?.text, says, event.type)
  }
})

t.test('A change of members names the member and who made the change', async (t) => {
  const text = (change: 'added' | 'removed' | 'left' | 'role' | 'renewed') =>
    eventText(
      { type: 'members', conversationId, change, username: 'carol', by: 'alice', role: 'admin', position: 1 },
      names
    )?.text
  t.equal(text('added'), 'Lunch: alice added carol.')
  t.equal(text('removed'), 'Lunch: alice removed carol.')
  t.equal(text('left'), 'Lunch: carol left.')
  t.equal(text('role'), 'Lunch: alice made carol an admin.')
  t.equal(text('renewed'), 'Lunch: alice renewed the membership of carol, who has a new identity.')
})

const heads = { known: '1'.repeat(64), served: '2'.repeat(64) }
const takesUser = `secure-chat contacts accept-chain bob ${heads.served}`
const takesConversation = `secure-chat conversations accept ${conversationId} ${heads.served}`

/** An alarm as the SDK raises it, in a sentence. */
function alarm(code: string, about: { username?: string; conversationId?: string }): string {
  const error = new ChatError('untrusted', code, 'It is so.', { heads })
  return eventText({ type: 'untrusted', error, ...about }, names)!.text
}

t.test('An alarm says what to do about it', async (t) => {
  t.match(
    alarm('displaced', { username: 'alice' }),
    /If you did, use this machine as a new device[^]*If you did not/
  )
  t.match(alarm('revoked', { username: 'alice' }), /secure-chat login NAME --new-device/)
  t.match(alarm('server-behind', { username: 'bob' }), takesUser)
  t.match(alarm('forked-chain', { username: 'bob' }), takesUser)
  t.match(alarm('forked-chain', { conversationId }), takesConversation)
  t.match(alarm('after-revocation', { conversationId }), takesConversation)
  t.match(alarm('withheld-chain', { conversationId }), /somebody says what is not true/)
  t.match(alarm('late-statement', { conversationId }), `secure-chat conversations info ${conversationId}`)
  t.match(alarm('identity-changed', { username: 'bob', conversationId }), /secure-chat accept bob$/)
})

t.test('Nobody is offered to take another chain in the place of their own', async (t) => {
  t.notMatch(alarm('forked-chain', { username: 'alice' }), /accept/)
  t.notMatch(alarm('server-behind', { username: 'alice' }), /accept/)
})

t.test('The text of an event has no control characters', async (t) => {
  for (const [event] of events) t.notMatch(eventText(event, names)?.text, /[\p{Cc}\u202e]/u, event.type)
})
