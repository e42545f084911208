import type { Command } from 'commander'
import { AdminClient } from '../../../client/node.js'
import { overSocket, socketPath } from '../../admin-socket.js'
import { serverUrl, type GlobalOptions } from '../../profile.js'
import { printToStderr, type Io } from '../../terminal/io.js'
import { withChat } from '../../with-chat.js'

/** What a command of the administration works with. */
export interface Admin {
  io: Io
  client: AdminClient
  /** The address that users know, for links. */
  origin: () => Promise<string>
}

export type AsAdmin = (work: (admin: Admin) => Promise<void>) => Promise<void>

/** Run `work` as the operator at the socket if it is there, otherwise as the user of the profile. */
export function asAdmin(admin: Command, program: Command, io: Io): AsAdmin {
  return async (work) => {
    const options = { ...program.opts<GlobalOptions>(), ...admin.opts<{ socket?: string }>() }
    const path = socketPath(io, options)
    const given = () => serverUrl(io, options)
    if (path === null)
      return withChat(io, options, (chat) => work({ io, client: new AdminClient(chat), origin: given }))
    const client = new AdminClient(overSocket(path, io.signal))
    const origin = async () => (await publicUrl(client)) ?? (await given())
    return work({ io, client, origin })
  }
}

/** The server's own `PUBLIC_URL`. */
async function publicUrl(client: AdminClient): Promise<string | null> {
  const { settings } = await client.config()
  return settings.find(({ name }) => name === 'PUBLIC_URL')?.value ?? null
}

/** Says that it is done, for people. */
export function done({ io }: Admin, text: string): void {
  printToStderr(io, text)
}

export const JSON_OPTION = ['--json', 'print one line of JSON for each'] as const
