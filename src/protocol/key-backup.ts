import Type from 'typebox'
import { octets } from './schema.js'

/** Bytes of a key backup at most. */
export const MAX_KEY_BACKUP_BYTES = 2 ** 20

const ETag = Type.String({
  description: 'Names these very bytes; to be compared and sent back, not to be read.',
  examples: ['"2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"']
})

/** Headers of answers that tell what is stored. */
export const keyBackupHeaders = { ETag }

export const KeyBackup = octets({
  description: 'The bytes as they were stored.',
  headers: keyBackupHeaders
})

export const NewKeyBackup = octets({ description: 'The sealed backup: 1 byte to 1 MiB.' })

/** Which state a request presumes (RFC 9110, section 13.1). */
const IfMatch = Type.Optional(
  Type.String({ description: 'The `ETag` of what is stored, else 412. `*` names nothing: 428.' })
)

export const ReadHeaders = Type.Object({
  'If-None-Match': Type.Optional(
    Type.String({ description: 'An `ETag` that the client holds: 304 if that is what is stored.' })
  )
})

export const PutHeaders = Type.Object({
  'If-Match': IfMatch,
  'If-None-Match': Type.Optional(Type.String({ description: '`*`: nothing may be stored yet, else 412.' }))
})

export const DeleteHeaders = Type.Object({ 'If-Match': IfMatch })
