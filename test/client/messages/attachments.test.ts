import t from 'tap'
import {
  decryptAttachment,
  decryptAttachmentRange,
  encryptAttachment,
  type FileContent
} from '../../../src/client/index.js'
import { all, failure, Listener, registered } from '../../support/chat-clients.js'
import { startChat } from '../../support/start-chat.js'

const file = Buffer.from(Array.from({ length: 150_000 }, (_, at) => at % 251))

t.test('A file is stored encrypted anywhere, and a message says how to open it', async (t) => {
  const { url } = await startChat(t)
  const alice = await registered(t, url, 'alice')
  const bobs = new Listener(t, await registered(t, url, 'bob'))
  const { ciphertext, reference } = encryptAttachment(new Blob([file]).stream())
  const stored = Buffer.concat(await all(ciphertext))
  const about = { attachment: crypto.randomUUID(), name: 'plan.bin', mediaType: 'application/octet-stream' }
  await alice.send({ username: 'bob' }, { type: 'file', ...about, ...reference() })

  const { content } = await bobs.first('message')
  const received = content as FileContent
  t.match(received, { type: 'file', name: 'plan.bin', size: file.length })
  t.ok(Buffer.concat(await all(decryptAttachment(received, new Blob([stored]).stream()))).equals(file))

  const read = ({ start, end }: { start: number; end: number }) =>
    new Blob([stored.subarray(start, end)]).stream()
  const part = await all(decryptAttachmentRange(received, { start: 70_000, end: 70_100 }, read))
  t.ok(Buffer.concat(part).equals(file.subarray(70_000, 70_100)))

  const cut = new Blob([stored.subarray(0, 100_000)]).stream()
  t.match(await failure(all(decryptAttachment(received, cut))), { kind: 'untrusted', code: 'bad-attachment' })
  const swapped = { ...received, key: Buffer.alloc(32).toString('base64') }
  t.match(await failure(all(decryptAttachment(swapped, new Blob([stored]).stream()))), {
    kind: 'untrusted',
    code: 'wrong-commitment'
  })
  const beyond = { start: 0, end: file.length + 1 }
  t.match(await failure(all(decryptAttachmentRange(received, beyond, read))), {
    kind: 'usage',
    code: 'bad-range'
  })
})
