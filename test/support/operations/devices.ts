import { randomUUID } from 'node:crypto'
import { askingDevice, renewedKeys, sessionWithoutDevice, type World } from '../callers.js'
import { cosigned, type Statement } from '../interop/chains.js'
import type { InteropClient } from '../interop/client.js'
import { expect } from '../interop/http.js'
import { drafted, otherThan, own, type Requests } from './request.js'

export async function deviceRequests(world: World): Promise<Requests> {
  const { admin, member } = world
  const waiting = new Map([
    [admin.username, await askingDevice(world, admin)],
    [member.username, await askingDevice(world, member)]
  ])

  return {
    listDevices: () => ({}),
    'approveDevice other'(caller) {
      const { client, statement } = waiting.get(otherThan(world, caller).username)!
      const body = { statement: cosigned(statement, caller.client.keys) }
      return { params: { id: client.deviceId }, body }
    },
    /** The pending device approves itself. */
    async approveDevice(caller) {
      const ask = async (of: InteropClient) => {
        if (caller.name !== 'pend') return askingDevice(world, of)
        const body = await drafted(world, of, (by) => by.addDevice())
        return { client: of, statement: (body as { statement: Statement }).statement }
      }
      const none = { client: caller.client, statement: admin.firstStatement() }
      const { client, statement } = await own(caller, ask, none)
      const body = { statement: cosigned(statement, caller.client.keys) }
      return { params: { id: client.deviceId }, body }
    },
    'rejectDevice other': (caller) => ({
      params: { id: waiting.get(otherThan(world, caller).username)!.client.deviceId }
    }),
    async rejectDevice(caller) {
      const id = async (of: InteropClient) => (await askingDevice(world, of)).client.deviceId
      return { params: { id: await own(caller, id, randomUUID()) } }
    },
    async 'rekeyDevice other'(caller) {
      const taken = otherThan(world, caller)
      return {
        params: { id: taken.deviceId },
        body: await drafted(world, taken, (by) => by.rekey(renewedKeys(taken)))
      }
    },
    async 'revokeDevice other'(caller) {
      const taken = otherThan(world, caller)
      return {
        params: { id: taken.deviceId },
        body: await drafted(world, taken, (by) => by.revoke(taken.deviceId))
      }
    },
    async addDevice(caller) {
      const fresh = async (of: InteropClient) => sessionWithoutDevice(world, of)
      const session = await own(caller, fresh, caller.client)
      const device = await world.device(session.username)
      const token = caller.name === 'nodv' ? { token: session.accessToken! } : {}
      return { body: await own(caller, () => drafted(world, device, (by) => by.addDevice()), {}), ...token }
    }
  }
}

/** These change the callers, and come last. */
export function lastRequests(world: World): Requests {
  /** A device that was approved: another one than that of the session. */
  const secondDevice = async (of: InteropClient) => {
    const device = await sessionWithoutDevice(world, of)
    expect(await device.addDevice(of.keys), 201)
    return device.deviceId
  }

  return {
    async rekeyDevice(caller) {
      const { client } = caller
      const body = await own(caller, () => drafted(world, client, (by) => by.rekey(renewedKeys(client))), {})
      return { params: { id: client.deviceId }, body }
    },
    async revokeDevice(caller) {
      const { client, name } = caller
      const active = async () => [...(await client.user(client.username)).active.keys()][0]!
      const id = await own(caller, name === 'pend' || name === 'nodv' ? active : secondDevice, randomUUID())
      return {
        params: { id },
        body: await own(caller, () => drafted(world, client, (by) => by.revoke(id)), {})
      }
    },
    async 'addDevice reset'(caller) {
      const device = await world.device(caller.client.username)
      return { body: await own(caller, () => drafted(world, device, (by) => by.reset()), {}) }
    },
    logOut: () => ({})
  }
}
