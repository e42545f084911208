import t from 'tap'
import { checkContent, readContent } from '../../../src/client/messages/content.js'
import type { Content } from '../../../src/client/types/content.js'

const id = '0198c6f2-7b1e-7c55-9d2a-3f1f0c5a9e01'
const ref = { id, digest: '0'.repeat(64) }
const envelope = { n: 1, sentAt: '2026-01-31T12:00:00.000Z' }

t.test('Sent content has exactly the members of its type', async (t) => {
  t.strictSame(checkContent('hi'), { type: 'text', text: 'hi' })
  t.strictSame(checkContent({ type: 'text', text: 'hi', ref: { ...ref, position: 7 }, n: 7 } as Content), {
    type: 'text',
    text: 'hi',
    ref
  })
  t.throws(() => checkContent(''), { code: 'empty-message' })
  const wrong = [
    { type: 'text', text: 1 },
    { type: 'text', text: 'half a character \ud800' },
    { type: 'edit', text: 'of nothing' },
    { type: 'reaction', ref: id, text: '👍' },
    { type: 'reaction', ref: { id, digest: '0' }, text: '👍' },
    { type: 'reaction', ref, text: 'x'.repeat(65) },
    { type: 'poll', text: 'not yet' },
    { type: 'toString' }
  ]
  for (const content of wrong) t.throws(() => checkContent(content as Content), { code: 'invalid-content' })
})

t.test('Unknown types that arrive are kept by name, and unknown members are left out', async (t) => {
  const text = { type: 'text', text: 'hi', colour: 'red', ...envelope }
  t.strictSame(readContent(text), { content: { type: 'text', text: 'hi' }, ...envelope })
  t.strictSame(readContent({ type: 'poll', ...envelope }), {
    content: { type: 'unknown', of: 'poll' },
    ...envelope
  })
  t.strictSame(readContent({ type: '__proto__', ...envelope }).content, { type: 'unknown', of: '__proto__' })
})

t.test('A message without its counter, its time or the members of its type is refused', async (t) => {
  const good = { type: 'text', text: 'hi', ...envelope }
  const wrong: unknown[] = [
    null,
    [],
    'text',
    { ...good, text: '' },
    { ...good, type: 1 },
    { ...good, type: '' }
  ]
  for (const n of [0, -1, 1.5, '1', 2 ** 40, undefined]) wrong.push({ ...good, n })
  for (const sentAt of ['yesterday', '2026-13-31T12:00:00.000Z', 1, undefined])
    wrong.push({ ...good, sentAt })
  for (const plaintext of wrong)
    t.throws(() => readContent(plaintext), { kind: 'untrusted', code: 'malformed-message' })
})
