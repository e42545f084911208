import Type from 'typebox'
import {
  DeviceResponse,
  DevicePage,
  EncryptionKeyRequest,
  NewDevice,
  StatementRequest
} from '../../../protocol/devices.js'
import type { ProblemCode } from '../../../protocol/problems.js'
import { PageQuery, Uuid, record, ref } from '../../../protocol/schema.js'
import { lockOwnAccount } from '../../access/accounts.js'
import { deviceSessionOf, sessionOf } from '../../access/auth.js'
import type { ActiveSession } from '../../access/sessions.js'
import { deviceView } from '../../chains/device-store.js'
import type { UserRow } from '../../chains/users.js'
import type { Tx } from '../../db/database.js'
import type { App } from '../../http/app.js'
import { pageOf } from '../../http/page.js'
import { problemResponses } from '../../http/problem-responses.js'
import { transaction } from '../../log/append-events.js'
import type { Services } from '../../services.js'
import { addDevice } from './add.js'
import { approveDevice, rejectDevice } from './approve.js'
import { listDevices } from './list.js'
import { rekeyDevice } from './rekey.js'
import { revokeDevice } from './revoke.js'

const params = record({ id: Uuid('The device’s id.') })
/** How every statement of a user's chain can be refused. */
const refusals: ProblemCode[] = [
  'invalid-statement',
  'invalid-signature',
  'stale-chain',
  'forbidden',
  'too-many-statements'
]

type DeviceServices = Pick<Services, 'config' | 'db' | 'log' | 'sessions'>

export function deviceRoutes(app: App, services: DeviceServices): void {
  const { config, db } = services
  const change = <T>(session: ActiveSession, run: (tx: Tx, user: UserRow) => Promise<T>) =>
    transaction(services, async (tx) => run(tx, await lockOwnAccount(tx, session)))

  app.get(
    '/devices',
    {
      schema: {
        operationId: 'listDevices',
        tags: ['devices'],
        summary: 'The caller’s devices',
        description: 'Active and pending devices come first, then revoked ones.',
        querystring: record(PageQuery),
        response: { 200: ref(DevicePage), ...problemResponses('invalid-cursor') }
      }
    },
    async (request) => {
      const { limit, cursor } = request.query
      const found = await listDevices(db, sessionOf(request).userId, limit + 1, cursor)
      return pageOf(found, limit, deviceView, ({ id }) => id)
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
          'A `device-reset` takes a session without a device, which only the password begins. ' +
          'Without the approving signature the device is pending (202) until another device approves it. A ' +
          'session without a device is bound to the device that it adds. A statement that is in the chain already ' +
          'is answered with its device (200).',
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
      const { device, outcome } = await change(session, (tx, user) =>
        addDevice(tx, config.devices, session, user, request.body)
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
          ...problemResponses(
            ...refusals,
            'device-required',
            'device-pending',
            'device-not-found',
            'id-conflict',
            'too-many-devices'
          )
        }
      }
    },
    async (request) => {
      const session = deviceSessionOf(request)
      const device = await change(session, (tx, user) =>
        approveDevice(tx, config.devices, user, request.params.id, request.body.statement)
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
      const session = deviceSessionOf(request)
      await change(session, (tx, user) => rejectDevice(tx, user.id, request.params.id))
      return reply.status(204).send(null)
    }
  )

  app.put(
    '/devices/:id/encryption-key',
    {
      schema: {
        operationId: 'rekeyDevice',
        tags: ['devices'],
        summary: 'Replace a device’s encryption keys',
        description:
          'The RSA key and the KEM key change together. A device without a KEM key may get one, and keeps one.',
        params,
        body: ref(EncryptionKeyRequest),
        response: {
          200: ref(DeviceResponse),
          ...problemResponses(...refusals, 'device-not-found', 'invalid-key', 'key-in-use')
        }
      }
    },
    async (request) => {
      const session = sessionOf(request)
      const { id } = request.params
      const device = await change(session, (tx, user) =>
        rekeyDevice(tx, config.devices, user, id, request.body)
      )
      return { device: deviceView(device) }
    }
  )

  app.post(
    '/devices/:id/revocation',
    {
      // A device that was stolen must not hold it up.
      config: { share: 0 },
      schema: {
        operationId: 'revokeDevice',
        tags: ['devices'],
        summary: 'Revoke a device',
        description:
          'Ends the device’s sessions and streams. Its conversations need new session keys. No bound on the ' +
          'number of statements within a day refuses it.',
        params,
        body: ref(StatementRequest),
        response: { 200: ref(DeviceResponse), ...problemResponses(...refusals, 'device-not-found') }
      }
    },
    async (request) => {
      const session = sessionOf(request)
      const { id } = request.params
      const device = await change(session, (tx, user) => revokeDevice(tx, user, id, request.body.statement))
      return { device: deviceView(device) }
    }
  )
}
