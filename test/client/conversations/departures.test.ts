import t from 'tap'
import { signStatement } from '../../../src/crypto/statements.js'
import { statementText } from '../../../src/protocol/statement-texts.js'
import { fakeUser } from '../../support/fake-clients.js'
import { FakeServer } from '../../support/fake-server.js'
import { puppetConversation } from '../../support/puppet-conversation.js'

t.test('A member leaves with a device that no key and no client knew before', async (t) => {
  const server = new FakeServer()
  const alice = await fakeUser(t, server, 'alice')
  const [bob, carol] = [await server.puppet('bob'), await server.puppet('carol')]
  const members = [[carol.user, 'admin'], [bob.user], [server.requireUser('alice')]] as const
  const { conversation } = await puppetConversation(server, 'group', members, carol)
  t.equal((await alice.conversations.get(conversation.id)).members.length, 3)

  const phone = await bob.add()
  const { sequence, head } = conversation.chain
  const leave = statementText({
    kind: 'conversation-leave',
    conversation: conversation.id,
    sequence: sequence + 1,
    previous: head,
    by: phone.signing.fingerprint
  })
  await conversation.append([await signStatement(leave, phone.signing)], undefined, server.users)
  const { members: left, trouble } = await alice.conversations.get(conversation.id)
  t.equal(trouble, undefined)
  t.strictSame(left.map(({ username }) => username).sort(), ['alice', 'carol'])
})
