import { deepStrictEqual, equal, ok } from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import type { MessageRef, ReceivedContent } from '../../../src/client/types/content.js'
import type { IncomingMessage } from '../../../src/client/types/messages.js'
import { foldConversation } from '../../../src/client/messages/timeline.js'

function message(position: number, username: string, content: ReceivedContent): IncomingMessage {
  return {
    type: 'message',
    id: `00000000-0000-4000-8000-${String(position).padStart(12, '0')}`,
    digest: String(position % 10).repeat(64),
    conversationId: '',
    key: '',
    from: { username, deviceId: username, signingKey: username },
    own: false,
    position,
    receivedAt: '',
    sentAt: `2026-01-01T00:00:00.${String(position).padStart(3, '0')}Z`,
    n: position,
    late: false,
    departed: false,
    content
  }
}

const hello = message(1, 'alice', { type: 'text', text: 'helo' })
const answer = message(2, 'bob', { type: 'text', text: 'hi', ref: hello })
const story = [
  hello,
  answer,
  message(3, 'alice', { type: 'edit', ref: hello, text: 'hello' }),
  message(4, 'bob', { type: 'edit', ref: hello, text: 'forged' }),
  message(5, 'bob', { type: 'reaction', ref: hello, text: '👍' }),
  message(6, 'carol', { type: 'reaction', ref: hello, text: '👍' }),
  message(7, 'bob', { type: 'reaction', ref: hello, text: '' }),
  message(8, 'alice', { type: 'title', text: 'Lunch' }),
  message(9, 'bob', { type: 'text', text: 'lost', ref: message(99, 'x', { type: 'unknown', of: 'x' }) }),
  message(10, 'bob', {
    type: 'edit',
    ref: message(98, 'x', { type: 'unknown', of: 'x' }),
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

t.test('An edit by the departed takes the place of no other edit, wherever it stands', async (t) => {
  const original = { ...message(1, 'alice', { type: 'text', text: 'pay to 111' }), departed: true }
  const edit = message(2, 'alice', { type: 'edit', ref: original, text: 'pay to 222' })
  const phone = { ...edit, from: { ...edit.from, signingKey: 'phone' } }
  const late = { ...message(3, 'alice', { type: 'edit', ref: original, text: 'pay to 666' }), departed: true }
  t.match(foldConversation([original, phone, late]).messages, [{ content: { text: 'pay to 222' } }])
  t.match(foldConversation([original, late]).messages, [{ content: { text: 'pay to 666' } }])
})

t.test('The view does not depend on the order in which messages come, nor on how often', async (t) => {
  const expected = foldConversation(story)
  for (let turn = 1; turn < story.length; turn++) {
    const turned = [...story.slice(turn), ...story.slice(0, turn)]
    t.strictSame(foldConversation(turned), expected)
    t.strictSame(foldConversation([...turned.reverse(), ...story]), expected)
  }
})

const AUTHORS = ['alice', 'bob', 'carol'] as const
const refTo = (of: number): MessageRef => {
  const { id, digest } = message(of, '', { type: 'unknown', of: '' })
  return { id, digest }
}

/** Messages of any kind, that refer to any other, earlier or later or none; two may stand at one position. */
const contents = fc.array(
  fc.tuple(
    fc.constantFrom(...AUTHORS),
    fc.oneof(
      fc.record({ type: fc.constant('text'), text: fc.string({ minLength: 1 }) }),
      fc.record({
        type: fc.constantFrom('text' as const, 'edit' as const, 'reaction' as const),
        ref: fc.integer({ min: 1, max: 14 }).map(refTo),
        text: fc.constantFrom('👍', '👎', 'again', '__proto__', '')
      }),
      fc.record({ type: fc.constant('title'), text: fc.constantFrom('Lunch', 'Dinner') }),
      fc.constant({ type: 'unknown', of: 'poll' })
    ),
    fc.boolean()
  ),
  { maxLength: 12 }
)
const conversation = contents.map((all) =>
  all.map(([author, content, together], at) => {
    const one = message(at + 1, author, content)
    return frozen({ ...one, position: together ? one.position - 1 : one.position })
  })
)

function frozen<T extends object>(value: T): T {
  for (const member of Object.values(value)) if (typeof member === 'object') frozen(member as object)
  return Object.freeze(value)
}

t.test('Any messages in any order, and any number of times, give the same view', async () => {
  const shuffled = conversation.chain((story) =>
    fc.record({
      story: fc.constant(story),
      order: fc.shuffledSubarray(story, { minLength: story.length }),
      again: fc.subarray(story)
    })
  )
  fc.assert(
    fc.property(shuffled, ({ story, order, again }) => {
      deepStrictEqual(foldConversation([...again, ...order]), foldConversation(story))
    })
  )
})

t.test('No user changes the messages of another, and no message is lost', async () => {
  fc.assert(
    fc.property(conversation, (story) => {
      const { messages } = foldConversation(story)
      const shown = story.filter(({ content: { type } }) => type !== 'edit' && type !== 'reaction')
      deepStrictEqual(new Set(messages.map(({ id }) => id)), new Set(shown.map(({ id }) => id)))
      for (const { id, from, content, editedAt, reactions } of messages) {
        const original = shown.find((one) => one.id === id)!
        const edits = story.filter((one) => one.content.type === 'edit' && one.content.ref.id === id)
        const own = edits.filter((one) => one.from.username === from.username)
        const said = [original, ...own].map((one) => (one.content as { text?: string }).text)
        ok(said.includes((content as { text?: string }).text))
        equal(editedAt === null, own.length === 0 || !['text', 'file'].includes(original.content.type))
        const reacted = Object.values(reactions).flat()
        equal(new Set(reacted).size, reacted.length, 'one reaction of each user')
      }
    })
  )
})
