import type { SignedStatement } from '../../src/protocol/schema.js'
import type { PublicDevice } from '../../src/protocol/devices.js'
import { parseStatement } from '../../src/protocol/parse-statement.js'
import { USER_STATEMENTS } from '../../src/client/identity/verify-user-chain.js'
import { FakeProblem } from './fake-answers.js'
import type { FakeConversation } from './fake-conversation.js'
import { FakeLog } from './fake-log.js'
import { FakeUser } from './fake-user.js'

export interface FakeSession {
  username: string
  deviceId: string | null
}

/** A request as a lie sees it. */
export interface FakeRequest {
  readonly method: string
  readonly path: string
  readonly query: URLSearchParams
  readonly headers: Headers
  // Tests read bodies freely.
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  readonly body: any
  /** A body that is no JSON. */
  readonly bytes: Uint8Array | undefined
  /** Whose session it is; null without one. */
  readonly username: string | null
  readonly deviceId: string | null
  /** The answer of an honest server. It takes effect, once. */
  readonly honest: () => Promise<Response>
}

/** Answers a request; undefined if it is for another route. */
export type FakeRoute = (world: FakeWorld, request: FakeRequest) => Promise<Response | undefined>

/** What the server in memory stores. A test may change everything, and so lie. */
export class FakeWorld {
  readonly users = new Map<string, FakeUser>()
  readonly conversations = new Map<string, FakeConversation>()
  readonly log = new FakeLog()
  readonly sessions = new Map<string, FakeSession>()
  /** Whether devices that are gone lose their sessions. */
  endsSessions = true

  /** The user whom the server shows under a name. A test may show each session another one. */
  view: (username: string, viewer: FakeSession) => FakeUser | undefined = (username) =>
    this.users.get(username)

  user(username: string): FakeUser {
    const user = new FakeUser(username)
    this.users.set(username, user)
    return user
  }

  requireUser(username: string): FakeUser {
    const user = this.users.get(username)
    if (user === undefined) throw new FakeProblem('user-not-found')
    return user
  }

  /** Append a statement to a user's chain, and tell those who share a conversation with them. */
  async extendUser(user: FakeUser, signed: SignedStatement, bound?: Omit<PublicDevice, 'encryptionVersion'>) {
    if (!(await user.append(signed, bound))) return
    this.announce(user, signed)
    if (!this.endsSessions) return
    for (const [token, { deviceId }] of this.sessions)
      if (deviceId !== null && user.history!.chain.retired.has(deviceId)) this.sessions.delete(token)
  }

  /** Stream a statement of a user's chain to those who share a conversation with them. @returns its position */
  announce({ username, id: userId, statements }: FakeUser, statement = statements.at(-1)!): number {
    const { sequence } = parseStatement(statement.text, USER_STATEMENTS)
    const sharing = [...this.conversations.values()].filter(({ members }) => members.has(username))
    const readers = new Set([username, ...sharing.flatMap(({ members }) => [...members.keys()])])
    return this.log.append(readers, 'device.chain', { userId, username, sequence, statement })
  }

  begin(username: string, deviceId: string | null): { accessToken: string; refreshToken: string } {
    const token: string = crypto.randomUUID()
    this.sessions.set(token, { username, deviceId })
    return { accessToken: token, refreshToken: token }
  }
}
