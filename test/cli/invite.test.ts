import t from 'tap'
import { lines, machine } from '../support/cli-process.js'
import { freePort, startServer } from '../support/server-process.js'

t.test('Two people talk on two machines after six commands, and are verified', async (t) => {
  const port = await freePort()
  const address = `http://127.0.0.1:${port}`
  // 1: npm start
  const env = { SERVER_HOST: '0.0.0.0', PUBLIC_URL: address, REGISTRATION: '' }
  const server = await startServer(t, { port, env })
  const [, first] = /join (\S+) NAME/.exec(server.output)!
  const [alices, bobs] = [await machine(t, ''), await machine(t, '')]
  const run = async (...[on, args]: [typeof alices, string[]]) => {
    const outcome = await on.start('default', args).ended()
    t.equal(outcome.code, 0, `secure-chat ${args[0]}: ${outcome.err}`)
    return outcome
  }
  // 2 to 6
  t.match(await run(alices, ['join', first!, 'alice']), { out: 'You are alice.\n' })
  const invited = await run(alices, ['invite'])
  t.match(invited.err, /for one person.*names this machine only/s)
  const joined = await run(bobs, ['join', invited.out.trim(), 'bob'])
  t.match(joined, { out: 'You are bob.\n', err: /alice is verified/ })
  await run(bobs, ['send', 'alice', 'See you at nine.'])
  const listening = alices.start('default', ['listen'])
  await listening.shows(/bob came by your link, and is verified/)
  await listening.shows(/bob: See you at nine\./)
  await listening.interrupted()
  t.match(await alices.ok('default', ['contacts']), /bob +verified/)
  t.match(await alices.ok('default', ['invite', 'list']), /1 of 1 .* bob/)

  t.test('A link that was used, and registering without one, are refused with what helps', async (t) => {
    const again = await bobs.run('other', ['join', invited.out.trim(), 'carol'])
    t.match(again, { code: 1, err: /cannot be used.*Ask for another link/s })
    const without = await bobs.run('other', ['register', 'carol', '--url', address])
    t.match(without, { code: 1, err: /only by invitation.*join LINK NAME/s })
    const nameless = await bobs.run('other', ['join', invited.out.trim()])
    t.match(nameless, { code: 2, err: /Choose a name/ })
    t.match(await bobs.run('other', ['join', 'https://chat.example.org', 'carol']), { code: 2 })
  })

  t.test('A link is read from stdin, where no other user of the machine sees it', async (t) => {
    const { out } = await run(alices, ['invite'])
    const dora = bobs.start('dora', ['join', '-', 'dora'], { stdin: `${out.trim()}\n` })
    t.match(await dora.ended(), { code: 0, out: 'You are dora.\n' })
    const empty = bobs.start('other', ['join', '-', 'erik'], { stdin: '\n' })
    t.match(await empty.ended(), { code: 2, err: /first line of stdin is empty/ })
  })

  t.test('A link may name groups, comes as JSON, and can be revoked', async (t) => {
    await alices.ok('default', ['group', 'create', 'team'])
    const args = ['invite', '--group', 'team', '--uses', '3', '--days', '2', '--note', 'friends']
    const [made] = await alices.json<{ id: string; link: string }>('default', args)
    const wrong = made!.link.replace(address, 'https://chat.example.org')
    const [carol] = lines<object>(
      await bobs.ok('carol', ['join', wrong, 'carol', '--url', address, '--json'])
    )
    t.match(carol, { username: 'carol', inviter: 'alice' })
    const listening = alices.start('default', ['listen'])
    await listening.shows(/carol came by a link of yours for several people/)
    await listening.shows(/added carol/)
    await listening.interrupted()
    await alices.ok('default', ['invite', 'revoke', made!.id])
    const [listed] = await alices.json('default', ['invite', 'list'])
    t.match(listed, { id: made!.id, note: 'friends', uses: 1, revokedAt: /^2/ })
  })

  t.test('People who have accounts verify each other by a link', async (t) => {
    const card = (await alices.ok('default', ['contacts', 'link'])).trim()
    t.equal(await bobs.ok('default', ['join', card]), 'alice is verified.\n')
    const swapped = await bobs.run('default', ['join', card.replace(/.{4}$/, '0000')])
    t.match(swapped, { code: 1, err: /another identity of alice.*new link/s })
  })
})
