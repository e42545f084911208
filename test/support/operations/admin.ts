import { operatorOf } from '../admin.js'
import type { Caller, World } from '../callers.js'
import { expect } from '../interop/http.js'
import { sessionId } from '../people.js'
import type { Requests } from './request.js'

const LETTERS = 'abcdefghijklmnopqrstuvwxyz'
const INVITE = { note: '', maxUses: 1, days: 1, kind: 'member', role: 'member' }

export async function adminRequests(world: World): Promise<Requests> {
  const { admin, group, member } = world
  const operator = operatorOf(world)
  const onMember = { params: { username: member.username } }
  const scapegoat = await world.user('scapegoat')
  let victims = 0
  /** A user for what an admin does to one. */
  const victim = async ({ name }: Caller) =>
    name === 'sadm' || name === 'sock' ? world.user(`victim-${LETTERS[victims++]}`) : scapegoat
  const onVictim = async (caller: Caller) => ({ params: { username: (await victim(caller)).username } })

  return {
    adminListUsers: () => ({}),
    adminGetUser: () => onMember,
    adminSetRole: async (caller) => ({ ...(await onVictim(caller)), body: { role: 'admin' } }),
    adminSuspendUser: onVictim,
    adminResumeUser: onVictim,
    adminListSessions: () => onMember,
    async adminEndSession(caller) {
      const of = await victim(caller)
      return { params: { username: of.username, id: sessionId(of) } }
    },
    'adminEndSession other': async (caller) => ({
      params: { username: (await victim(caller)).username, id: sessionId(admin) }
    }),
    adminEndSessions: onVictim,
    adminListLimits: () => onMember,
    adminResetLimits: onVictim,
    adminResetPassword: onVictim,
    adminEraseUser: onVictim,
    adminCreateInvite: () => ({ body: INVITE }),
    adminListInvites: () => ({}),
    async adminRevokeInvite() {
      const made = expect(await operator<{ id: string }>('POST', '/invites', INVITE), 201)
      return { params: { id: made.body.id } }
    },
    async adminPurgeMessage() {
      const sent = expect(await admin.send(group, 'Regretted'), 201)
      return { params: { messageId: sent.body.id } }
    },
    adminListAudit: () => ({}),
    adminVerifyAudit: () => ({}),
    adminGetStatistics: () => ({}),
    adminGetStorage: () => ({}),
    adminGetSettings: () => ({}),
    adminSetNotice: () => ({ body: { text: 'Down for an hour at noon' } }),
    adminClearNotice: () => ({})
  }
}
