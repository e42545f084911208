import type { ChatClient, DeviceInfo } from '../client/index.js'
import { matchingDevices, pickDevice } from './pick-device.js'
import { printToStderr, type Io } from './terminal/io.js'
import { agree, confirm, isInteractive } from './terminal/prompt.js'
import { sanitize } from './terminal/sanitize.js'

export interface RevokeOptions {
  /** Do not ask about the device. */
  yes?: boolean
  /** Also revoke what it had approved, without asking. */
  approved?: boolean
}

/**
 * Revoke a device, and offer to revoke what it had approved: if somebody else had it, those may be theirs.
 *
 * @param id the beginning of its id
 */
export async function revoke(io: Io, chat: ChatClient, id: string, options: RevokeOptions): Promise<void> {
  const active = (await chat.devices.list()).filter(({ status }) => status === 'active')
  const device = await pickDevice(io, matchingDevices(active, id))
  const which = device.current ? 'This device' : named(device)
  await confirm(io, `${which} (${device.id}) will be revoked. This cannot be undone. Go on?`, options.yes)
  const approved = await revokeOne(io, chat, device)
  // This device has no session any more.
  if (device.current) return
  for (const suspect of approved) await revokeSuspect(io, chat, suspect, options)
}

async function revokeSuspect(
  io: Io,
  chat: ChatClient,
  suspect: DeviceInfo,
  { approved }: RevokeOptions
): Promise<void> {
  const which = suspect.current ? 'This device' : named(suspect)
  const what = `${which} (${suspect.id}) was approved by it, or by a device that it had approved.`
  if (!suspect.current) {
    const isWanted =
      approved === true || (isInteractive(io) && (await agree(io, `${what} Revoke that, too?`)))
    if (isWanted) return void (await revokeOne(io, chat, suspect))
    if (isInteractive(io)) return
  }
  printToStderr(io, `${what} If it is not yours: secure-chat devices revoke ${suspect.id}`)
}

/** @returns the active devices that it had approved */
async function revokeOne(io: Io, chat: ChatClient, device: DeviceInfo): Promise<DeviceInfo[]> {
  const { approved } = await chat.devices.revoke(device.id)
  printToStderr(io, `${device.current ? 'This device' : named(device)} was revoked.`)
  if (device.purpose === 'recovery')
    printToStderr(io, 'The backup opens nothing that comes later. Make another: secure-chat backup create')
  return approved
}

function named({ name, purpose }: DeviceInfo): string {
  return purpose === 'recovery' ? 'The key backup' : `"${sanitize(name)}"`
}
