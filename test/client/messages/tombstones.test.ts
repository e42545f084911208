import t from 'tap'
import type { ChatEvent } from '../../../src/client/types/events.js'
import { inShort, scene, told } from '../../support/malicious-server.js'
import { all } from '../../support/chat-clients.js'

const isGap = ({ type }: Pick<ChatEvent, 'type'>) => type === 'withheld'

t.test('However many messages of a device are deleted, none is missed', async (t) => {
  const { server, bob, talk, alice, listen } = await scene(t, ['alice'])
  const first = await listen()
  await talk.say(alice, 'first', 1)
  await first.message('first')
  await first.stop()
  const deleted = 1200
  const message = await talk.say(alice, 'deleted', 2)
  talk.conversation.messages.pop()
  for (let n = 0; n < deleted; n++)
    talk.purge({ ...message, id: crypto.randomUUID(), position: server.log.append(['bob'], 'message', {}) })
  server.log.events.splice(
    server.log.events.findIndex(({ position }) => position === message.position),
    1
  )
  await talk.say(alice, 'last', deleted + 2)
  const heard = await listen()
  await heard.message('last')
  t.notOk(heard.heard.some(isGap))
  await talk.say(alice, 'behind another', deleted + 4)
  await heard.message('behind another')
  t.strictSame(heard.heard.filter(isGap).map(inShort), [`withheld ${deleted + 3}–${deleted + 3}`])
  t.ok(await bob.conversations.get(talk.id))
})

t.test('A number that was given up late leaves one gap in the history, at most', async (t) => {
  const { bob, talk, alice } = await scene(t, ['alice'])
  for (const n of [1, 2, 4]) await talk.say(alice, String(n), n)
  const five = await talk.say(alice, '5', 5)
  await talk.say(alice, { type: 'void' }, 3)
  for (const n of [6, 8]) await talk.say(alice, String(n), n)
  talk.purge(five)
  const oldestFirst = await told(bob, talk.id)
  // Read in this order, nobody knows yet that the number was given up.
  t.strictSame(
    oldestFirst.filter((one) => one.startsWith('withheld')),
    ['withheld 3–3', 'withheld 7–7']
  )
  const newestFirst = (await all(bob.history(talk.id))).map(inShort)
  t.strictSame(
    newestFirst.filter((one) => one.startsWith('withheld')),
    ['withheld 7–7']
  )
})
