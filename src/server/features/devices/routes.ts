import { asc, eq } from 'drizzle-orm'
import Type from 'typebox'
import {
  DeviceResponse,
  DevicePage,
  EncryptionKeyRequest,
  NewDevice,
  StatementRequest
} from '../../../protocol/devices.js'
import { Problem } from '../../http/problem.js'
import type { ProblemCode } from '../../../protocol/problems.js'
import { Uuid, record, ref } from '../../../protocol/schema.js'
import { parseStatement } from '../../../protocol/statements.js'
import type { App } from '../../http/app.js'
import { deviceSessionOf, sessionOf } from '../../access/auth.js'
import { devices } from '../../db/schema.js'
import { bindKeys, deviceView, lockUser, requireLine } from '../../chains/user-chain-store.js'
import { readEncryptionKey, verifySignatures } from '../../chains/public-keys.js'
import { transaction } from '../../log/append-events.js'
import { problemResponses } from '../../http/problem-responses.js'
import type { Services } from '../../services.js'
import { addDevice, approveDevice, rejectDevice } from './add.js'
import { applyChain, extended, isApplied } from './changes.js'

const params = record({ id: Uuid('The device’s id.') })
const refusals: ProblemCode[] = [
  'invalid-statement',
  'invalid-signature',
  'device-not-found',
  'stale-chain',
  'forbidden'
]

type DeviceServices = Pick<Services, 'config' | 'db' | 'log' | 'sessions'>

export function deviceRoutes(app: App, services: DeviceServices): void {
  const { config, db } = services

  app.get(
    '/devices',
    {
      schema: {
        operationId: 'listDevices',
        tags: ['devices'],
        summary: 'The caller’s devices',
        response: { 200: ref(DevicePage) }
      }
    },
    async (request) => {
      const rows = await db
        .select()
        .from(devices)
        .where(eq(devices.userId, sessionOf(request).userId))
        .orderBy(asc(devices.createdAt), asc(devices.id))
      return { items: rows.map(deviceView), next: null }
    }
  )

  app.post(
    '/devices',
    {
      schema: {
        operationId: 'addDevice',
        tags: ['devices'],
        summary: 'Add a device or request its approval',
        description:
          'A `device-add` that an active device has also signed, or a `device-reset`, takes effect at once (201). ' +
          'Without the approving signature the device is pending (202) until another device approves it. A ' +
          'session without a device is bound to the device that it adds.',
        body: ref(NewDevice),
        response: {
          200: ref(DeviceResponse),
          201: ref(DeviceResponse),
          202: ref(DeviceResponse),
          ...problemResponses(...refusals, 'invalid-key', 'id-conflict', 'key-in-use', 'too-many-devices')
        }
      }
    },
    async (request, reply) => {
      const session = sessionOf(request)
      const { device, outcome } = await transaction(services, (tx) =>
        addDevice(tx, config.devices, session, request.body)
      )
      services.sessions.forget(session.id)
      return reply
        .status({ known: 200, active: 201, pending: 202 }[outcome] as 200)
        .send({ device: deviceView(device) })
    }
  )

  app.post(
    '/devices/:id/approval',
    {
      schema: {
        operationId: 'approveDevice',
        tags: ['devices'],
        summary: 'Approve a pending device',
        description: 'Send the new device’s own statement with the signature of the approving device added.',
        params,
        body: ref(StatementRequest),
        response: {
          200: ref(DeviceResponse),
          ...problemResponses(...refusals, 'device-required', 'id-conflict', 'too-many-devices')
        }
      }
    },
    async (request) => {
      const { userId } = deviceSessionOf(request)
      const device = await transaction(services, (tx) =>
        approveDevice(tx, config.devices, userId, request.params.id, request.body.statement)
      )
      return { device: deviceView(device) }
    }
  )

  app.delete(
    '/devices/:id',
    {
      schema: {
        operationId: 'rejectDevice',
        tags: ['devices'],
        summary: 'Reject a pending device',
        description:
          'Deletes the device and ends its session. Revoke an active device with a statement instead.',
        params,
        response: {
          204: Type.Null({ description: 'The device was deleted.' }),
          ...problemResponses('device-required', 'device-pending', 'device-not-found', 'device-not-pending')
        }
      }
    },
    async (request, reply) => {
      const { userId } = deviceSessionOf(request)
      await transaction(services, (tx) => rejectDevice(tx, userId, request.params.id))
      return reply.status(204).send(null)
    }
  )

  app.put(
    '/devices/:id/encryption-key',
    {
      schema: {
        operationId: 'rekeyDevice',
        tags: ['devices'],
        summary: 'Replace a device’s encryption key',
        params,
        body: ref(EncryptionKeyRequest),
        response: { 200: ref(DeviceResponse), ...problemResponses(...refusals, 'invalid-key', 'key-in-use') }
      }
    },
    async (request) => {
      const { userId } = sessionOf(request)
      const { id } = request.params
      const signed = request.body.statement
      const statement = parseStatement(signed.text, ['device-rekey'])
      const encryption = readEncryptionKey(request.body.encryptionKey, config.devices.minRsaBits)
      requireLine('device', statement.device, id)
      requireLine('encryption-key', statement.encryptionKey, encryption.fingerprint)
      const device = await transaction(services, async (tx) => {
        const user = await lockUser(tx, userId)
        const present = user.devices.get(id)
        if (present === undefined) throw new Problem('device-not-found')
        if (await isApplied(tx, userId, statement.sequence, signed.text)) return present
        const signers = verifySignatures(signed, user.keys)
        const chain = await extended(tx, userId, user.chain, statement, signed.text, signers)
        await bindKeys(tx, id, [encryption])
        const [row] = await tx
          .update(devices)
          .set({
            encryptionKey: encryption.pem,
            encryptionFingerprint: encryption.fingerprint,
            encryptionVersion: statement.encryptionVersion
          })
          .where(eq(devices.id, id))
          .returning()
        await applyChain(tx, userId, user, chain, signed)
        return row!
      })
      return { device: deviceView(device) }
    }
  )

  app.post(
    '/devices/:id/revocation',
    {
      schema: {
        operationId: 'revokeDevice',
        tags: ['devices'],
        summary: 'Revoke a device',
        description: 'Ends the device’s sessions and streams. Its conversations need new session keys.',
        params,
        body: ref(StatementRequest),
        response: { 200: ref(DeviceResponse), ...problemResponses(...refusals) }
      }
    },
    async (request) => {
      const { userId } = sessionOf(request)
      const { id } = request.params
      const signed = request.body.statement
      const statement = parseStatement(signed.text, ['device-revoke'])
      requireLine('device', statement.device, id)
      const device = await transaction(services, async (tx) => {
        const user = await lockUser(tx, userId)
        const present = user.devices.get(id)
        if (present === undefined) throw new Problem('device-not-found')
        if (await isApplied(tx, userId, statement.sequence, signed.text)) return present
        const signers = verifySignatures(signed, user.keys)
        const chain = await extended(tx, userId, user.chain, statement, signed.text, signers)
        await applyChain(tx, userId, user, chain, signed)
        return { ...present, status: 'revoked' as const }
      })
      return { device: deviceView(device) }
    }
  )
}
