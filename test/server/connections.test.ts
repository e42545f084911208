import { once } from 'node:events'
import { connect } from 'node:net'
import t from 'tap'
import { startChat } from '../support/start-chat.js'

t.test('A connection on which nothing was asked does not hold up the end', async (t) => {
  const chat = await startChat(t)
  const accepted = once(chat.app.server, 'connection')
  const socket = connect({ port: Number(new URL(chat.url).port), host: '127.0.0.1' })
  t.teardown(() => socket.destroy())
  await accepted
  const closed = once(socket, 'close')
  const since = Date.now()
  await chat.app.close()
  await closed
  t.ok(Date.now() - since < 4000, 'nor is it cut off only when patience is at its end')
})
