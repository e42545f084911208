import { Mutex } from '../../src/client/stores/mutex.js'
import { CryptoError } from '../../src/crypto/errors.js'
import { RuleViolation } from '../../src/protocol/rule-violation.js'
import { accountRoutes } from './fake-account-routes.js'
import { FakeProblem, json, problem } from './fake-answers.js'
import { conversationRoutes } from './fake-conversation-routes.js'
import { deviceRoutes } from './fake-device-routes.js'
import { FakeWorld, type FakeRequest, type FakeRoute } from './fake-world.js'
import { binding, nextPlace, Puppet, publicKeys, puppetDevice } from './puppet.js'

/** Answers in the server's place: with a response, with a value for a 200, or with undefined to stay honest. */
export type Lie = (request: FakeRequest) => unknown

const routes: readonly FakeRoute[] = [accountRoutes, deviceRoutes, conversationRoutes, eventRoutes]
/** Paths that need no session. */
const open = /^\/v1\/(auth\/(register(\/check)?|login|refresh)|server)$/

/**
 * A server in memory behind a `fetch`: no socket, no database. It is honest until a test adds a lie. It judges
 * chains by the rules of `src/protocol`, and leaves out limits, the strength of passwords and most paging.
 */
export class FakeServer extends FakeWorld {
  readonly lies: Lie[] = []
  readonly #writes = new Mutex()
  /** All requests, in order. */
  readonly seen: FakeRequest[] = []
  /** Sees each request before any lie does. */
  witness: (request: FakeRequest) => Promise<void> = () => Promise.resolve()

  readonly fetch = async (input: string | URL | Request, init: RequestInit = {}): Promise<Response> => {
    init.signal?.throwIfAborted()
    const { pathname: path, searchParams: query } = new URL(input)
    const headers = new Headers(init.headers)
    const session = this.sessions.get(headers.get('authorization')?.replace('Bearer ', '') ?? '')
    let answer: Promise<Response> | undefined
    const request: FakeRequest = {
      method: init.method ?? 'GET',
      path,
      query,
      headers,
      body: typeof init.body === 'string' ? (JSON.parse(init.body) as unknown) : undefined,
      bytes: init.body instanceof Uint8Array ? init.body : undefined,
      username: session?.username ?? null,
      deviceId: session?.deviceId ?? null,
      honest: () => (answer ??= this.#inTurn(request))
    }
    this.seen.push(request)
    await this.witness(request)
    for (const lie of this.lies) {
      const told: unknown = await lie(request)
      if (told !== undefined) return told instanceof Response ? told : json(told)
    }
    return request.honest()
  }

  /** What changes something is done one after the other, as under the locks of a database. */
  #inTurn(request: FakeRequest): Promise<Response> {
    const work = (): Promise<Response> => this.#honest(request)
    return request.method === 'GET' ? work() : this.#writes.runExclusive(work)
  }

  async #honest(request: FakeRequest): Promise<Response> {
    try {
      if (!open.test(request.path) && request.username === null) throw new FakeProblem('unauthenticated')
      for (const route of routes) {
        const response = await route(this, request)
        if (response !== undefined) return response
      }
      throw new FakeProblem('not-found')
    } catch (error) {
      if (error instanceof FakeProblem) return problem(error.code, error.members)
      if (error instanceof RuleViolation) return problem(error.code)
      if (error instanceof CryptoError) return problem('invalid-signature')
      throw error
    }
  }

  /** A user whom the test plays. */
  async puppet(username: string): Promise<Puppet> {
    const user = this.user(username)
    const device = await puppetDevice()
    await user.append(await binding('device-add', nextPlace(user), device), publicKeys(device))
    return new Puppet(user, device)
  }
}

async function eventRoutes(
  { log }: FakeWorld,
  { method, path, query, headers, username, deviceId }: FakeRequest
): Promise<Response | undefined> {
  if (method !== 'GET') return undefined
  if (path === '/v1/events/page') return log.page(username!, query.get('after') ?? log.cursor)
  if (path !== '/v1/events') return undefined
  return log.stream(username!, deviceId ?? crypto.randomUUID(), headers.get('last-event-id'))
}
