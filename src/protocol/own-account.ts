import type { Static } from 'typebox'
import * as Type from 'typebox'
import { KnownPassword, MAX_USER_STATEMENTS, Password } from './accounts.js'
import { NewSignedStatement, record, ref } from './schema.js'

export type PasswordChange = Static<typeof PasswordChange>
export const PasswordChange = record(
  { currentPassword: KnownPassword, newPassword: Password },
  { $id: 'PasswordChange' }
)

export type Erasure = Static<typeof Erasure>
export const Erasure = record(
  {
    password: KnownPassword,
    statements: Type.Array(ref(NewSignedStatement), {
      maxItems: MAX_USER_STATEMENTS,
      description:
        'A `device-revoke` for each active device of the user, in order. That of the caller comes last.'
    }),
    dryRun: Type.Optional(
      Type.Boolean({
        description: 'Only check the password, and whether the user may go. Nothing is erased.'
      })
    )
  },
  { $id: 'Erasure' }
)

/** A line of an export. Other fields depend on its kind, and more may come. */
export const ExportLine = record(
  {
    kind: Type.String({
      description: 'What the line is about. The last one is `end`.',
      examples: ['account']
    })
  },
  { $id: 'ExportLine' }
)
