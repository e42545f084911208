import { once } from 'node:events'
import t from 'tap'
import { registered } from '../../support/chat-clients.js'
import { startChat } from '../../support/start-chat.js'

t.test('Many calls at once write no warning of a leak', async (t) => {
  const warnings: string[] = []
  const warned = (warning: Error) => warnings.push(warning.message)
  process.on('warning', warned)
  t.teardown(() => process.off('warning', warned))

  const alice = await registered(t, (await startChat(t)).url, 'alice')
  await Promise.all(Array.from({ length: 30 }, () => alice.server()))

  // Warnings come in the order in which they were written.
  const last = once(process, 'warning')
  process.emitWarning('the last one')
  await last
  t.strictSame(warnings, ['the last one'])
})
