import t from 'tap'
import { startChat } from '../../support/start-chat.js'
import { startPostgres } from '../../support/postgres.js'
import type { ChatEvent } from '../../support/interop/events.js'
import { InteropClient } from '../../support/interop/client.js'

const pg = await startPostgres(t)
const ROUNDS = 26

const gist = (events: ChatEvent[]) =>
  events.map(({ id, event, data }) => `${id} ${event} ${JSON.stringify(data)}`)

if (pg !== undefined)
  t.test('A live stream delivers the events of the log, on any process and from any moment', async (t) => {
    const here = await startChat(t, { DATABASE_URL: pg.url })
    const there = await startChat(t, { DATABASE_URL: pg.url })
    const [alice, bob, carol] = [await here.user('alice'), await here.user('bob'), await there.user('carol')]
    const bobThere = await InteropClient.create(there.url, 'bob', { keys: bob.keys })
    t.teardown(() => bobThere.close())
    Object.assign(bobThere, { deviceId: bob.deviceId })
    t.equal((await bobThere.login()).status, 200)

    const { id } = await alice.createConversation('group', ['bob', 'carol'])
    const whole = [
      await bob.live({ after: '0' }),
      await bobThere.live({ after: '0' }),
      await carol.live({ after: '0' })
    ]
    const joined = []
    // Bob comes and goes, others talk, and new streams join in the middle of it from older cursors.
    for (let round = 0; round < ROUNDS; round++) {
      const talk = [alice.send(id, `a${round}`), carol.send(id, `c${round}`), alice.send(id, `b${round}`)]
      if (round % 5 === 3) {
        await Promise.all(talk)
        t.equal((await alice.removeMember(id, 'bob')).status, 201)
      } else if (round % 5 === 0 && round > 0) {
        await Promise.all(talk)
        t.equal((await alice.addMember(id, 'bob')).status, 201)
      }
      const seen = whole[round % 2]!.durable()
      const after = seen[Math.floor(seen.length / 2)]?.id ?? '0'
      joined.push((round % 3 === 0 ? bobThere : bob).events({ after }))
      await Promise.all(talk)
    }
    const { body } = await alice.send(id, 'the end')
    const isLast = (event: ChatEvent) => event.data['id'] === body.id
    await Promise.all(whole.map((stream) => stream.waitFor(isLast, 'the last message')))

    for (const [index, user] of [bob, bobThere, carol].entries()) {
      const again = await user.live({ after: '0' })
      await again.waitFor(isLast)
      const [live, stored] = [gist(whole[index]!.durable()), gist(again.durable())]
      t.strictSame(live, stored, `stream ${index} saw live what is read again`)
      const positions = again.durable().map(({ data }) => data['position'] as number)
      t.strictSame(
        positions,
        [...new Set(positions)].sort((a, b) => a - b)
      )
    }
    const all = gist(whole[0]!.durable())
    for (const stream of joined) {
      await stream.waitFor(isLast)
      const part = gist(stream.durable())
      t.strictSame(part, all.slice(all.length - part.length), 'a stream that joined later has the same end')
    }
    const carols = new Set(gist(whole[2]!.durable()))
    const missed = [...carols].filter((line) => !all.includes(line))
    t.ok(missed.length > 0, 'while bob was out he got nothing')
    t.ok(missed.every((line) => /^\S+ (message|session-key.created|conversation.chain)/.test(line)))
  })
