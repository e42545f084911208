import t from 'tap'
import { FrameParser, readFrames } from '../../../src/client/transport/sse.js'
import { failure } from '../../support/chat-clients.js'

const text =
  'retry: 3000\n\n: keep-alive\n\nid: a-1\nevent: message\ndata: {"a":1}\n\ndata: x\r\ndata:y\r\n\r\nid: b\0c\ndata\n\nevent: only\n\n' +
  'event: cr\rdata: z\r\runknown: field\ndata: last\n\n'
const frames = [
  { event: 'retry', data: '', retry: 3000 },
  { event: 'message', data: '{"a":1}', id: 'a-1' },
  { event: 'message', data: 'x\ny' },
  { event: 'message', data: '' },
  { event: 'cr', data: 'z' },
  { event: 'message', data: 'last' }
]

t.test('Events are the same however the stream is cut into pieces', async (t) => {
  for (let size = 1; size <= text.length; size++) {
    const parser = new FrameParser()
    const found = []
    for (let at = 0; at < text.length; at += size) found.push(...parser.push(text.slice(at, at + size)))
    t.strictSame(found, frames, `pieces of ${size}`)
  }
})

t.test('An event that does not end is refused before it fills the memory', async (t) => {
  const parser = new FrameParser()
  const line = `data: ${'x'.repeat(1000)}\n`
  t.throws(() => {
    for (let i = 0; i < 2000; i++) parser.push(line)
  }, /does not end/)
  t.throws(() => new FrameParser().push('x'.repeat(2 ** 20 + 1)), /does not end/)
})

t.test('A stream whose line never ends is closed', async (t) => {
  let cancelled = false
  const endless = new ReadableStream<Uint8Array>({
    pull: (controller) => controller.enqueue(new Uint8Array(65_536).fill(0x78)),
    cancel: () => void (cancelled = true)
  })
  const read = readFrames(endless, () => 60_000, new AbortController().signal)
  const readAll = async (): Promise<void> => {
    for await (const frames of read) t.strictSame(frames, [])
  }
  t.match(await failure(readAll()), { kind: 'untrusted', code: 'malformed-answer' })
  t.ok(cancelled)
})

t.test('A stream that starts with a byte order mark is read', async (t) => {
  const body = new Blob(['\ufeffdata: x\n\n']).stream()
  const read = readFrames(body, () => 60_000, new AbortController().signal)
  t.strictSame((await read.next()).value, [{ event: 'message', data: 'x' }])
})

t.test('A silent stream counts as broken', async (t) => {
  let cancelled = false
  const silent = new ReadableStream<Uint8Array>({ cancel: () => void (cancelled = true) })
  const read = readFrames(silent, () => 20, new AbortController().signal).next()
  t.match(await failure(read), { kind: 'unreachable', code: 'silent-stream' })
  t.ok(cancelled)
})

t.test('An abort ends the wait for a silent stream', async (t) => {
  const leave = new AbortController()
  let cancelled = false
  const silent = new ReadableStream<Uint8Array>({ cancel: () => void (cancelled = true) })
  const read = readFrames(silent, () => 60_000, leave.signal).next()
  leave.abort(new Error('gone'))
  await t.rejects(read, { message: 'gone' })
  t.ok(cancelled)
})
