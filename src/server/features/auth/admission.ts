import type { FastifyReply, FastifyRequest } from 'fastify'
import type { AccountKind, ServerRole } from '../../../protocol/accounts.js'
import { attempt } from '../../access/attempt.js'
import { record, userActor } from '../../access/audit.js'
import { isFirstAccount } from '../../access/first-account.js'
import { isUsableInvite, recordUse, useInvite } from '../../access/invites.js'
import { networkOf, requireNoWait } from '../../access/rate-limits.js'
import type { WindowCounter } from '../../access/window-counter.js'
import type { Config } from '../../config.js'
import type { Db, Tx } from '../../db/database.js'
import { Problem } from '../../http/problem.js'
import type { Services } from '../../services.js'

const DETAIL = 'There were too many invitations that cannot be used. Wait for the time in `Retry-After`.'

/** The account that a registration may make. */
export interface Admitted {
  role: ServerRole
  kind: AccountKind
  inviteId: string | null
}

/** Decides who may register. */
export class Admission {
  readonly #registration: Config['registration']
  readonly #db: Db
  /** Invitations that could not be used, by network. */
  readonly #failures: WindowCounter

  constructor({ config, attempts, db }: Pick<Services, 'config' | 'attempts' | 'db'>) {
    this.#registration = config.registration
    this.#db = db
    this.#failures = attempts.of('refused-invites')
  }

  /** What needs no look at the database. @throws {Problem} all that `check` throws, except `invitation-unavailable` */
  requireOpen(request: FastifyRequest, reply: FastifyReply, token: string | undefined): void {
    const { mode } = this.#registration
    if (token !== undefined) requireNoWait(reply, this.#failures.wait(networkOf(request)), DETAIL)
    else if (mode !== 'open')
      throw new Problem(mode === 'closed' ? 'registration-closed' : 'invitation-required')
  }

  /**
   * Look at an invitation before the password costs anything.
   *
   * @throws {Problem} `registration-closed`, `invitation-required`, `invitation-unavailable`, `too-many-requests`
   */
  async check(request: FastifyRequest, reply: FastifyReply, token: string | undefined): Promise<void> {
    this.requireOpen(request, reply, token)
    if (token === undefined) return
    const look = () => isUsableInvite(this.#db, token, this.#rule)
    if (!(await attempt(this.#failures, networkOf(request), look)))
      throw new Problem('invitation-unavailable')
  }

  /** Use the invitation, if there is one. @throws {Problem} `invitation-unavailable` */
  async admit(tx: Tx, token: string | undefined): Promise<Admitted> {
    // All ask, so that no two are the first.
    const isFirst = await isFirstAccount(tx)
    if (token === undefined) {
      const isAdmin = this.#registration.firstIsAdmin && isFirst
      return { role: isAdmin ? 'admin' : 'member', kind: 'member', inviteId: null }
    }
    const invite = await useInvite(tx, token, this.#rule)
    if (invite === null) throw new Problem('invitation-unavailable')
    return { role: invite.role, kind: invite.kind, inviteId: invite.id }
  }

  /** Remember by which invitation the account was made, and who is an admin. */
  async record(tx: Tx, request: FastifyRequest, { inviteId, role }: Admitted, userId: string): Promise<void> {
    if (inviteId !== null) await recordUse(tx, inviteId, userId)
    if (role !== 'admin') return
    const details = { role, invite: inviteId }
    await record(tx, userActor({ userId }, request), { action: 'user.register', subject: userId, details })
  }

  /** Where registration is closed, admins still let in whom they know. */
  get #rule(): { onlyAdmins: boolean } {
    return { onlyAdmins: this.#registration.mode === 'closed' }
  }
}
