import Type from 'typebox'
import {
  DeleteHeaders,
  KeyBackup,
  MAX_KEY_BACKUP_BYTES,
  NewKeyBackup,
  PutHeaders,
  ReadHeaders,
  keyBackupHeaders
} from '../../../protocol/key-backup.js'
import { Problem } from '../../http/problem.js'
import type { Db } from '../../db/database.js'
import type { App } from '../../http/app.js'
import { lockOwnAccount } from '../../access/accounts.js'
import { deviceSessionOf, sessionOf } from '../../access/auth.js'
import { bodySize } from '../../http/body-budget.js'
import { isKnown, readReplaceable } from '../../http/conditional.js'
import { problemResponses } from '../../http/problem-responses.js'
import { sha256Hex } from '../../chains/public-keys.js'
import type { Services } from '../../services.js'
import { onlyOctets, readBlob } from './body.js'
import { deleteKeyBackup, findEtag, findKeyBackup, insertKeyBackup, replaceKeyBackup } from './queries.js'

/** A user's sealed keys, stored and returned as they are. Also sessions without a device may read them. */
export function keyBackupRoutes(app: App, { db }: Pick<Services, 'db'>): void {
  void app.register(async (octets: App) => {
    onlyOctets(octets)
    readRoutes(octets, db)
    writeRoutes(octets, db)
  })
}

function readRoutes(app: App, db: Db): void {
  app.get(
    '/users/me/key-backup',
    {
      schema: {
        operationId: 'getKeyBackup',
        tags: ['key backup'],
        summary: 'The caller’s key backup',
        description:
          'A session without a device may read it: users who need it have lost all devices. HEAD returns only ' +
          'the `ETag` and the size.',
        headers: ReadHeaders,
        response: {
          200: KeyBackup,
          304: Type.Null({
            description: 'The backup is still the one that `If-None-Match` names.',
            headers: keyBackupHeaders
          }),
          ...problemResponses('key-backup-not-found', 'precondition-failed')
        }
      }
    },
    async (request, reply) => {
      const backup = await findKeyBackup(db, sessionOf(request).userId)
      if (backup === undefined) throw new Problem('key-backup-not-found')
      reply.header('etag', backup.etag).header('cache-control', 'no-store')
      if (isKnown(request.headers, backup.etag)) return reply.status(304).send(null)
      return reply.type('application/octet-stream').send(backup.blob)
    }
  )
}

/** Bytes of a backup that count as one more request: replaced ones take space until the database is vacuumed. */
const BYTES_PER_REQUEST = 2 ** 13

function writeRoutes(app: App, db: Db): void {
  app.put(
    '/users/me/key-backup',
    {
      bodyLimit: MAX_KEY_BACKUP_BYTES,
      // A body that is too much is not read: who sends one after the other would keep the server busy.
      preParsing: async (request, reply) => {
        app.spend(request, reply, 'write', Math.floor(bodySize(request) / BYTES_PER_REQUEST))
      },
      schema: {
        operationId: 'putKeyBackup',
        tags: ['key backup'],
        summary: 'Store the first key backup, or replace the one that the request names',
        description:
          'Send `If-None-Match: *` for the first backup, and `If-Match` with the `ETag` to replace one. The `ETag` is the ' +
          'SHA-256 of the bytes in hex, in quotes. So no ' +
          'device overwrites the backup of another. Storing the same bytes again succeeds.',
        headers: PutHeaders,
        body: NewKeyBackup,
        response: {
          201: Type.Null({ description: 'The first backup is stored.', headers: keyBackupHeaders }),
          204: Type.Null({ description: 'The backup is stored.', headers: keyBackupHeaders }),
          ...problemResponses(
            'device-required',
            'device-pending',
            'precondition-failed',
            'precondition-required'
          )
        }
      }
    },
    async (request, reply) => {
      const session = deviceSessionOf(request)
      const { userId } = session
      const replaceable = readReplaceable(request.headers)
      const blob = readBlob(request.body, request.headers)
      const etag = `"${sha256Hex(blob)}"`
      const row = { userId, blob, etag }
      const isFirst = await db.transaction(async (tx) => {
        await lockOwnAccount(tx, session)
        if (replaceable === 'nothing' && (await insertKeyBackup(tx, row))) return true
        const isReplaced = replaceable !== 'nothing' && (await replaceKeyBackup(tx, row, replaceable))
        // The response to a first try may have been lost (RFC 9110, section 13.1.1).
        if (!isReplaced && (await findEtag(tx, userId)) !== etag) throw new Problem('precondition-failed')
        return false
      })
      return reply
        .status(isFirst ? 201 : 204)
        .header('etag', etag)
        .send(null)
    }
  )

  app.delete(
    '/users/me/key-backup',
    {
      schema: {
        operationId: 'deleteKeyBackup',
        tags: ['key backup'],
        summary: 'Delete the key backup that the request names',
        headers: DeleteHeaders,
        response: {
          204: Type.Null({ description: 'The backup was deleted.' }),
          ...problemResponses(
            'device-required',
            'device-pending',
            'key-backup-not-found',
            'precondition-failed',
            'precondition-required'
          )
        }
      }
    },
    async (request, reply) => {
      const session = deviceSessionOf(request)
      const { userId } = session
      const replaceable = readReplaceable(request.headers)
      await db.transaction(async (tx) => {
        await lockOwnAccount(tx, session)
        const isGone = replaceable !== 'nothing' && (await deleteKeyBackup(tx, userId, replaceable))
        if (!isGone && (await findEtag(tx, userId)) === undefined) throw new Problem('key-backup-not-found')
        if (!isGone) throw new Problem('precondition-failed')
      })
      return reply.status(204).send(null)
    }
  )
}
