import t from 'tap'
import { readResumePoints } from '../../../src/server/log/resume-points.js'
import { readVisible } from '../../../src/server/log/read.js'
import { startChat } from '../../support/start-chat.js'

const chat = await startChat(t)

t.test('A reader that has missed nothing starts at the end of the log, and all others read it', async (t) => {
  const { prepared } = chat.services.database
  const people = [await chat.user('alice'), await chat.user('bob'), await chat.user('carol')] as const
  const [alice, bob] = people
  const { id: group } = await alice.createConversation('group', ['bob'])
  await alice.createConversation('direct', ['carol'])
  await bob.createConversation('direct', ['carol'])
  // Bob is in, out and in again, with messages before, between and after.
  for (const turn of ['in', 'out', 'again']) {
    if (turn === 'out') t.equal((await alice.removeMember(group, 'bob')).status, 201)
    if (turn === 'again') t.equal((await alice.addMember(group, 'bob')).status, 201)
    t.equal((await alice.send(group, `${turn} 1`)).status, 201)
    t.equal((await alice.send(group, `${turn} 2`)).status, 201)
  }
  t.equal((await alice.removeMember(group, 'bob')).status, 201)
  t.equal((await alice.send(group, 'the end')).status, 201)

  const ids = await Promise.all(
    people.map(async (person) => {
      const { body } = await person.raw<{ user: { id: string } }>('GET', '/v1/users/me')
      return body.user.id
    })
  )
  const [{ last } = { last: 0 }] = await readResumePoints(prepared, [{ userId: ids[0]!, after: 0 }])
  t.equal(last, 13)
  const askers = ids.flatMap((userId) => Array.from({ length: last + 2 }, (_, after) => ({ userId, after })))
  const beginnings = await readResumePoints(prepared, askers)
  for (const [n, { userId, after }] of askers.entries()) {
    const page = await readVisible(prepared, userId, after, { events: 200, bytes: 2 ** 20 })
    const conversations = page.entries.length === 0 ? [...page.conversations!].sort() : null
    const beginning = beginnings[n]!
    t.strictSame(
      { ...beginning, conversations: beginning.conversations?.sort() ?? null },
      { last, oldest: 1, conversations },
      `user ${ids.indexOf(userId)} after ${after}`
    )
  }
  const caughtUp = (userId: string) =>
    beginnings.filter(({ conversations }, n) => askers[n]!.userId === userId && conversations !== null).length
  t.ok(caughtUp(ids[1]!) > 2 && caughtUp(ids[2]!) > caughtUp(ids[1]!), 'those who are out miss nothing')
  t.equal(caughtUp(ids[0]!), 2, 'and who sees the last event is caught up only after it')
})
