import type { Test } from 'tap'
import type { ChatEvent } from '../../support/interop/events.js'
import type { Message } from '../../support/interop/http.js'
import { startServer, type ServerProcess } from '../../support/server-process.js'
import type { Postgres } from '../../support/postgres.js'
import type { InteropOptions } from '../../support/interop/account.js'
import { InteropClient } from '../../support/interop/client.js'

/** Where the servers of a scenario keep their data; each call starts from nothing. */
export interface Store {
  readonly name: string
  start(t: Test): Promise<ServerProcess>
  /** Several processes on one database: PostgreSQL only. */
  startMany(t: Test, count: number): Promise<ServerProcess[]>
}

export const pglite: Store = {
  name: 'PGlite',
  start: (t) => startServer(t),
  startMany: () => Promise.reject(new Error('PGlite serves one process'))
}

export const postgres = (pg: Postgres): Store => {
  const startMany = async (t: Test, count: number): Promise<ServerProcess[]> => {
    const databaseUrl = await pg.newDatabase()
    return Promise.all(Array.from({ length: count }, () => startServer(t, { databaseUrl })))
  }
  const start = async (t: Test): Promise<ServerProcess> =>
    startServer(t, { databaseUrl: await pg.newDatabase() })
  return { name: 'PostgreSQL', start, startMany }
}

/** Another device of the same user, not yet known to the server. */
export async function furtherDevice(
  t: Test,
  of: InteropClient,
  options: InteropOptions = {}
): Promise<InteropClient> {
  const device = await InteropClient.create(of.base, of.username, { password: of.password, ...options })
  t.teardown(() => device.close())
  return device
}

export const messageOf = (event: ChatEvent): Message => event.data as unknown as Message

export const positionOf = (event: ChatEvent): number => Number(event.data['position'])

/** The contract fixes the names of events, not all of their members: this looks into the whole of it. */
export const mentions = (event: ChatEvent, ...texts: readonly string[]): boolean => {
  const whole = JSON.stringify(event.data)
  return texts.every((text) => whole.includes(text))
}

/** True if the values rise strictly, which says ordered and none twice. */
export const rising = (values: readonly number[]): boolean =>
  values.every((value, i) => i === 0 || value > (values[i - 1] ?? Infinity))
