import type { Static } from 'typebox'
import * as Type from 'typebox'
import { ACCOUNT_KINDS } from './accounts.js'
import { BASE64URL_16 } from './ids.js'
import { Time, Username, Uuid, choice, nullable, page, record, ref } from './schema.js'

const kind = choice(ACCOUNT_KINDS, { description: 'Whose account it makes: a person’s, or a program’s.' })

export type NewInvite = Static<typeof NewInvite>
export const NewInvite = record(
  {
    maxUses: Type.Optional(
      Type.Integer({ minimum: 1, maximum: 10_000, description: 'How many accounts it may make. Default: 1.' })
    ),
    days: Type.Optional(
      Type.Integer({ minimum: 1, maximum: 365, description: 'Days until it expires. Default: 7.' })
    ),
    note: Type.Optional(
      Type.String({
        maxLength: 200,
        format: 'plain-text',
        description: 'For the list of invitations, without control characters. The server can read it.'
      })
    ),
    kind: Type.Optional(kind)
  },
  { $id: 'NewInvite' }
)

export const InviteUse = record(
  { username: Username, usedAt: Time('When the account was made.') },
  { $id: 'InviteUse', description: 'An account that was made with an invitation.' }
)

const shown = {
  id: Uuid('The invitation’s id.'),
  note: Type.String(),
  kind,
  maxUses: Type.Integer({ description: 'How many accounts it may make.' }),
  uses: Type.Integer({ description: 'How many it has made.' }),
  usedBy: Type.Array(ref(InviteUse), { description: 'The newest of them, 100 at most.' }),
  createdAt: Time('When it was made.'),
  expiresAt: Time('When it expires.'),
  revokedAt: nullable({ ...Time('When it was revoked.') })
}

export type Invite = Static<typeof Invite>
export const Invite = record(shown, { $id: 'Invite', description: 'An invitation to register.' })

export type CreatedInvite = Static<typeof CreatedInvite>
export const CreatedInvite = record(
  {
    ...shown,
    token: Type.String({
      pattern: `^${BASE64URL_16}$`,
      description: 'For `invite` of POST /v1/auth/register. The server shows it only now.'
    })
  },
  { $id: 'CreatedInvite' }
)

export const InvitePage = page(ref(Invite), { $id: 'InvitePage' })
