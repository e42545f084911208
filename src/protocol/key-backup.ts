import * as Type from 'typebox'
import { octets } from './schema.js'

/** Largest key backup in bytes, header included. */
export const MAX_KEY_BACKUP_BYTES = 2 ** 20

const ETag = Type.String({
  description: 'Opaque identifier of these exact bytes. Send it back in `If-Match` or `If-None-Match`.',
  examples: ['"2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"']
})

/** Headers of the responses that describe a stored backup. */
export const keyBackupHeaders = { ETag }

export const KeyBackup = octets({
  description: 'The sealed backup, exactly as it was stored.',
  headers: keyBackupHeaders
})

export const NewKeyBackup = octets({ description: 'The sealed backup: 1 byte to 1 MiB.' })

/** RFC 9110, section 13.1.1. */
const IfMatch = Type.Optional(
  Type.String({ description: 'The `ETag` of the stored backup. 412 if another one is stored, 428 for `*`.' })
)

export const ReadHeaders = Type.Object({
  'If-None-Match': Type.Optional(
    Type.String({
      description: 'The `ETag` of the backup that the client has. 304 if it is still the stored one.'
    })
  )
})

export const PutHeaders = Type.Object({
  'If-Match': IfMatch,
  'If-None-Match': Type.Optional(
    Type.String({ description: '`*` to store the first backup. 412 if there is one already.' })
  )
})

export const DeleteHeaders = Type.Object({ 'If-Match': IfMatch })
