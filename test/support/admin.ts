import { request } from 'node:http'
import { basename, dirname, join } from 'node:path'
import { withSocketPath } from '../../src/node/socket.js'
import { eq } from 'drizzle-orm'
import { users } from '../../src/server/db/schema.js'
import type { Answer } from './interop/http.js'
import type { InteropClient } from './interop/client.js'
import type { Chat } from './start-chat.js'

/** The socket of the administration in a data directory. */
export const socketIn = (dataDir: string) => join(dataDir, 'admin', 'admin.sock')

/** The operator's calls at the socket. */
export function operator(socket: string) {
  return <T = Record<string, unknown>>(method: string, path: string, body?: unknown): Promise<Answer<T>> =>
    withSocketPath(dirname(socket), basename(socket), (socketPath) =>
      callAt<T>(socketPath, method, path, body)
    )
}

function callAt<T>(socketPath: string, method: string, path: string, body: unknown): Promise<Answer<T>> {
  return new Promise((resolve, reject) => {
    const headers = body === undefined ? {} : { 'content-type': 'application/json' }
    const call = request({ socketPath, method, path: `/v1/admin${path}`, headers }, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (part: string) => (text += part))
      response.on('end', () => {
        const parsed = (text === '' ? undefined : JSON.parse(text)) as T
        resolve({ status: response.statusCode!, headers: response.headers, body: parsed })
      })
    })
    call.on('error', reject).end(body === undefined ? undefined : JSON.stringify(body))
  })
}

/** The operator of a server in this process. */
export const operatorOf = ({ services }: Chat) => operator(socketIn(services.config.database.dataDir))

/** Make a user admin, past the API. */
export async function promote({ services }: Chat, { username }: InteropClient): Promise<void> {
  await services.db.update(users).set({ role: 'admin' }).where(eq(users.username, username))
}
