import { sessionWithoutDevice, type Caller, type World } from '../callers.js'
import { draft } from '../draft.js'
import type { InteropClient } from '../interop/client.js'
import { sessionId } from '../people.js'

/** A request of one caller. The method and the path come from the document. */
export interface OperationRequest {
  readonly params?: Readonly<Record<string, string>>
  readonly query?: string
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
  /** In place of the caller's. */
  readonly token?: string
}

/**
 * Requests by operation, each right in all but the caller. A name may have a word behind the operation's: the same
 * operation on something else, above all on what is another user's.
 */
export type Requests = Readonly<
  Record<string, (caller: Caller) => OperationRequest | Promise<OperationRequest>>
>

/** Gets nowhere: there is nothing that it could make. */
const OUT = ['none', 'junk', 'exp', 'revk', 'susp', 'lgdo', 'sock']

/** Makes something with what is the caller's own. For those who cannot sign in it gives the alternative. */
export const own = async <T>(caller: Caller, make: (of: InteropClient) => Promise<T>, otherwise: T) =>
  OUT.includes(caller.name) ? otherwise : make(caller.client)

/** Whose things a caller tries to reach: the admin's, or the member's if the caller is the admin. */
export const otherThan = ({ admin, member }: World, { client }: Caller) =>
  client.username === admin.username ? member : admin

/** The body of a request of the client, who reads as the admin of the group. */
export const drafted = (
  { admin }: World,
  by: InteropClient,
  act: (client: InteropClient) => Promise<unknown>
) => draft(by, admin, act)

/** The id of another session of the user. */
export const spareSession = async (world: World, of: InteropClient) =>
  sessionId(await sessionWithoutDevice(world, of))
