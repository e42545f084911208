import pgClient from 'pg'
import t from 'tap'
import { startTarget } from '../../../support/bad-input.js'
import { expect } from '../../../support/interop/http.js'
import { anotherSession } from '../../../support/people.js'
import { startPostgres } from '../../../support/postgres.js'
import { SignedChain } from '../../../support/signed-chain.js'

const pg = await startPostgres(t)
if (pg !== undefined) {
  const DATABASE_URL = await pg.newDatabase()
  const [first, second] = [await startTarget(t, { DATABASE_URL }), await startTarget(t, { DATABASE_URL })]
  const bob = await first.user('bob')
  const there = await anotherSession(t, bob, second.url)

  t.test('Statements that many clients give back at once are taken once', async (t) => {
    for (let round = 0; round < 8; round++) {
      const alice = await first.user(`alice${round}`)
      const chain = new SignedChain(alice)
      chain.revoke(chain.add())
      const laptop = chain.add()
      chain.rekey(laptop)
      const answers = await Promise.all([bob, there, bob, there].map((by) => chain.post(by, 1)))
      t.strictSame(answers.map(({ status }) => status).sort(), [200, 200, 200, 201])
      t.equal((await there.user(alice.username)).head, chain.head)
    }
  })

  t.test('A chain that is continued in two ways at the same moment takes one of them', async (t) => {
    for (let round = 0; round < 8; round++) {
      const carol = await first.user(`carol${round}`)
      const session = await anotherSession(t, carol, second.url)
      const [here, away] = [new SignedChain(carol), new SignedChain(carol)]
      here.revoke(here.add())
      const phone = away.add()
      const statement = away.statements[1]!
      const { keys, id } = phone
      const body = {
        id,
        name: 'phone',
        signingKey: keys.signingKey,
        encryptionKey: keys.encryptionKey,
        statement
      }
      const [restored, added] = await Promise.all([
        here.post(bob, 1),
        session.raw('POST', '/v1/devices', { body })
      ])
      t.strictSame([restored.status, added.status].sort(), [201, 409])
      const winner = restored.status === 201 ? here : away
      t.equal((await there.user(carol.username)).head, winner.head)
    }
  })

  t.test('Nobody waits for a user, or makes one wait, with statements that bring nothing new', async (t) => {
    const dave = await first.user('dave')
    const chain = new SignedChain(dave)
    chain.revoke(chain.add())
    expect(await chain.post(bob, 1), 201)
    const known = { statements: chain.after(1), keys: [] }
    const forged = new SignedChain(dave)
    forged.statements.push(...known.statements)
    forged.revoke(forged.first, { ...forged.first, keys: bob.keys })

    const client = new pgClient.Client({ connectionString: DATABASE_URL })
    await client.connect()
    await client.query('begin')
    await client.query('select from users where id = $1 for update', [dave.userId])
    const answers = await Promise.all([
      chain.post(bob, 1, known),
      forged.post(bob, 3),
      new SignedChain(bob).post(there, 0)
    ])
    t.strictSame(
      answers.map(({ status }) => status),
      [200, 400, 200],
      'although another transaction has locked the user'
    )
    await client.query('rollback')
    await client.end()
  })

  t.test(
    'A revocation is taken although a user has more devices than the server allows by now',
    async (t) => {
      const erin = await first.user('erin')
      const chain = new SignedChain(erin)
      const devices = [chain.add(), chain.add(), chain.add()]
      expect(await chain.post(bob, 1), 201)
      const strict = await startTarget(t, { DATABASE_URL, MAX_DEVICES: '1' })
      const away = await anotherSession(t, bob, strict.url)
      chain.revoke(devices[0]!)
      expect(await chain.post(away, 4), 201)
      chain.add()
      t.match((await chain.post(away, 5)).body, {
        type: '/problems/too-many-devices',
        detail: /active devices of a user is 1 here. Revoke/
      })
    }
  )

  t.test('None of these races leaves an error in the log', async (t) => {
    t.strictSame([...first.log, ...second.log], [])
  })
}
