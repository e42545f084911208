import t from 'tap'
import type { IncomingMessage } from '../../src/client/chat-events.js'
import type { ReceivedContent } from '../../src/client/content.js'
import { foldConversation } from '../../src/client/view.js'

function message(position: number, username: string, content: ReceivedContent): IncomingMessage {
  return {
    type: 'message',
    id: `00000000-0000-4000-8000-${String(position).padStart(12, '0')}`,
    conversationId: '',
    sessionKeyId: '',
    from: { username, deviceId: '' },
    own: false,
    position,
    receivedAt: '',
    sentAt: `2026-01-01T00:00:00.${String(position).padStart(3, '0')}Z`,
    n: position,
    content
  }
}

const hello = message(1, 'alice', { type: 'text', text: 'helo' })
const answer = message(2, 'bob', { type: 'text', text: 'hi', ref: hello.id })
const story = [
  hello,
  answer,
  message(3, 'alice', { type: 'edit', ref: hello.id, text: 'hello' }),
  message(4, 'bob', { type: 'edit', ref: hello.id, text: 'forged' }),
  message(5, 'bob', { type: 'reaction', ref: hello.id, text: '👍' }),
  message(6, 'carol', { type: 'reaction', ref: hello.id, text: '👍' }),
  message(7, 'bob', { type: 'reaction', ref: hello.id, text: '' }),
  message(8, 'alice', { type: 'title', text: 'Lunch' }),
  message(9, 'bob', { type: 'text', text: 'lost', ref: message(99, 'x', { type: 'unknown', of: 'x' }).id }),
  message(10, 'bob', {
    type: 'edit',
    ref: message(98, 'x', { type: 'unknown', of: 'x' }).id,
    text: 'nowhere'
  })
]

t.test('Edits, reactions and answers are applied to what they refer to', async (t) => {
  const { messages, title } = foldConversation(story)
  t.equal(title, 'Lunch')
  t.match(messages, [
    { content: { text: 'hello' }, editedAt: '2026-01-01T00:00:00.003Z', reactions: { '👍': ['carol'] } },
    { content: { text: 'hi' }, answers: hello.id, editedAt: null, reactions: {} },
    { content: { type: 'title' } },
    { content: { text: 'lost' }, answers: null }
  ])
  t.equal(messages.length, 4)
})

t.test('The view does not depend on the order in which messages come, nor on how often', async (t) => {
  const expected = foldConversation(story)
  for (let turn = 1; turn < story.length; turn++) {
    const turned = [...story.slice(turn), ...story.slice(0, turn)]
    t.strictSame(foldConversation(turned), expected)
    t.strictSame(foldConversation([...turned.reverse(), ...story]), expected)
  }
})
