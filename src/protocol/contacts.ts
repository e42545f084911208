import type { Static } from 'typebox'
import { CONTACT_POLICIES, User } from './accounts.js'
import { Time, Username, choice, page, record, ref } from './schema.js'

const ContactPolicySchema = choice(CONTACT_POLICIES, {
  description:
    'What happens when somebody else begins a conversation with the user: it begins; it waits as a request until the ' +
    'user accepts, unless the two know each other; or it is refused.'
})

export type AccountSettings = Static<typeof AccountSettings>
export const AccountSettings = record(
  { contactPolicy: ContactPolicySchema },
  { $id: 'AccountSettings', description: 'What only the user sees of the account.' }
)

export const OwnUserResponse = record(
  { user: ref(User), settings: ref(AccountSettings) },
  { $id: 'OwnUserResponse' }
)

export const AccountChange = record({ contactPolicy: ContactPolicySchema }, { $id: 'AccountChange' })

export const Block = record(
  { username: Username, createdAt: Time('When the caller blocked the user.') },
  { $id: 'Block' }
)

export const BlockPage = page(ref(Block), {
  $id: 'BlockPage',
  description: 'The users whom the caller has blocked, in the order of their names.'
})
