import { hash, randomUUID } from 'node:crypto'
import type { World } from '../callers.js'
import { expect } from '../interop/http.js'
import type { InteropClient } from '../interop/client.js'
import { drafted, otherThan, own, spareSession, type Requests } from './request.js'

const NEW_PASSWORD = 'nothing of the sort 7'
const LETTERS = 'abcdefghijklmnopqrstuvwxyz'
const SEALED = Buffer.from('a backup')
const BACKUP = { headers: { 'content-type': 'application/octet-stream', 'if-none-match': '*' } }
const ETAG = `"${hash('sha256', SEALED)}"`

export async function accountRequests(world: World): Promise<Requests> {
  const { admin } = world
  let newcomers = 0
  for (const device of world.devices)
    expect(await device.raw('PUT', '/v1/users/me/key-backup', { ...BACKUP, body: SEALED }), 201)
  /** Only an active device makes an invitation. */
  const invite = async (of: InteropClient) => {
    const active = world.devices.find(({ username }) => username === of.username) ?? of
    return expect(await active.raw<{ id: string }>('POST', '/v1/invites', { body: {} }), 201).body.id
  }

  return {
    getHealth: () => ({}),
    getReadiness: () => ({}),
    getServer: () => ({}),
    async register() {
      const newcomer = await world.device(`newcomer-${LETTERS[newcomers++]}`)
      return { body: await drafted(world, newcomer, (by) => by.register()) }
    },
    checkRegistration: () => ({ body: { username: 'nobody-yet' } }),
    refresh: ({ client: { refreshToken = 'none' } }) => ({ body: { refreshToken } }),
    createChallenge: ({ client: { deviceId } }) => ({ body: { deviceId } }),
    async logInWithDevice({ client }) {
      const nonce = await client.challenge()
      return { body: { deviceId: client.deviceId, nonce, signature: client.signed(nonce) } }
    },
    logIn: ({ name, client: { username, password, deviceId } }) => ({
      body: { username, password, ...(name !== 'nodv' && { deviceId }) }
    }),
    resetPassword: ({ client: { username } }) => ({
      body: { username, token: 'one that nobody made', newPassword: NEW_PASSWORD }
    }),

    getMe: () => ({}),
    changeMe: () => ({ body: { contactPolicy: 'everyone' } }),
    getUser: () => ({ params: { username: admin.username } }),
    findUsers: () => ({ query: 'prefix=ali' }),
    getUserChains: () => ({ body: { users: [{ username: admin.username, after: 0 }] } }),
    continueUserChain: () => ({
      params: { username: admin.username },
      body: { statements: [admin.firstStatement()], keys: [] }
    }),
    async 'continueUserChain reset'(caller) {
      const taken = otherThan(world, caller)
      const thief = await world.device(taken.username)
      const body = (await drafted(world, thief, (by) => by.reset())) as Record<string, unknown>
      const { id: device, signingKey, encryptionKey, statement } = body
      return {
        params: { username: taken.username },
        body: { statements: [statement], keys: [{ device, signingKey, encryptionKey }] }
      }
    },
    exportMe: () => ({}),
    listSessions: () => ({}),
    'endSession other': async (caller) => ({
      params: { id: await spareSession(world, otherThan(world, caller)) }
    }),
    endSession: async (caller) => ({
      params: { id: await own(caller, (of) => spareSession(world, of), randomUUID()) }
    }),
    createInvite: () => ({ body: {} }),
    listInvites: () => ({}),
    'revokeInvite other': async (caller) => ({ params: { id: await invite(otherThan(world, caller)) } }),
    revokeInvite: async (caller) => ({ params: { id: await own(caller, invite, randomUUID()) } }),
    changePassword: () => ({ body: { currentPassword: 'not this one', newPassword: NEW_PASSWORD } }),
    eraseMe: () => ({ body: { password: 'not this one', statements: [] } }),
    listBlocks: () => ({}),
    blockUser: () => ({ params: { username: 'hugo' } }),
    unblockUser: () => ({ params: { username: 'hugo' } }),
    putKeyBackup: () => ({ ...BACKUP, body: SEALED }),
    getKeyBackup: () => ({}),
    deleteKeyBackup: () => ({ headers: { 'if-match': ETAG } })
  }
}
