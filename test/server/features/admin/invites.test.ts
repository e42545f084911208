import t from 'tap'
import { operatorOf, promote } from '../../../support/admin.js'
import { expect } from '../../../support/interop/http.js'
import { user } from '../../../support/people.js'
import { startChat } from '../../../support/start-chat.js'

const chat = await startChat(t)

t.test('A new invitation names the admin who has made it, as the list does', async (t) => {
  const admin = await user(t, chat, 'admin')
  await promote(chat, admin)
  const body = { note: '', kind: 'member', role: 'member', maxUses: 1, days: 7 }
  const made = expect(await admin.raw('POST', '/v1/admin/invites', { body }), 201)
  t.match(made.body, { createdBy: 'admin' })
  const byOperator = expect(await operatorOf(chat)('POST', '/invites', body), 201)
  t.match(byOperator.body, { createdBy: null })
  t.match(expect(await admin.raw('GET', '/v1/admin/invites'), 200).body, {
    items: [{ createdBy: null }, { createdBy: 'admin' }]
  })
})
