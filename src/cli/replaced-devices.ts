import type { ChatClient, DeviceInfo } from '../client/index.js'
import { UsageError } from './errors.js'
import { deviceTable, pickDevice } from './pick-device.js'
import { printToStderr, type Io } from './terminal/io.js'
import { isInteractive } from './terminal/prompt.js'
import { sanitize } from './terminal/sanitize.js'

/**
 * The ids of the devices that a restored one replaces. If the user may have no more devices, it has to replace one.
 *
 * @param active all devices of the user
 * @param named the devices that the person has named, by their names or the beginnings of their ids
 */
export async function chooseReplaced(
  io: Io,
  chat: ChatClient,
  active: readonly DeviceInfo[],
  named: readonly string[]
): Promise<string[]> {
  const devices = active.filter(({ purpose }) => purpose === 'chat')
  const replaced = named.flatMap((name) => findNamed(io, devices, name))
  if (replaced.length === 0 && active.length >= (await chat.server()).limits.devices)
    replaced.push(await pickReplaced(io, devices))
  for (const { id, name } of replaced)
    printToStderr(io, `This machine replaces "${sanitize(name)}" (${id}), which is revoked.`)
  return replaced.map(({ id }) => id)
}

/** A job names the device of its last run. The first run has none to replace. */
function findNamed(io: Io, devices: readonly DeviceInfo[], name: string): DeviceInfo[] {
  const byName = devices.filter((device) => device.name === name)
  const found = byName.length > 0 ? byName : devices.filter(({ id }) => id.startsWith(name.toLowerCase()))
  if (found.length > 1)
    throw new UsageError(
      `More than one device matches "${name}":\n${deviceTable(found)}`,
      'Use the id of one.'
    )
  if (found.length === 0) printToStderr(io, `There is no device "${sanitize(name)}" to replace.`)
  return found
}

function pickReplaced(io: Io, devices: readonly DeviceInfo[]): Promise<DeviceInfo> {
  const message = 'You have as many devices as this server allows.'
  if (!isInteractive(io))
    throw new UsageError(
      `${message}\n${deviceTable(devices)}`,
      'Say which of them this machine replaces: --replace ID'
    )
  printToStderr(io, `${message} Choose the one that this machine replaces.`)
  return pickDevice(io, devices)
}
