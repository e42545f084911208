import type { DeviceInfo } from '../client/index.js'
import { NotFoundError, UsageError } from './errors.js'
import { formatTable, formatTime } from './terminal/format.js'
import { printToStderr, type Io } from './terminal/io.js'
import { choose, isInteractive } from './terminal/prompt.js'
import { sanitize } from './terminal/sanitize.js'

/** What else a person tells the devices apart by, by their ids. */
type Notes = ReadonlyMap<string, string>

/** The devices whose ids begin with `id`; without one, all. @throws {UsageError} if there is none */
export function matchingDevices(devices: readonly DeviceInfo[], id: string | undefined): DeviceInfo[] {
  if (devices.length === 0) throw new UsageError('No device waits for approval.')
  const matching = devices.filter((device) => device.id.startsWith(id?.toLowerCase() ?? ''))
  if (matching.length > 0) return matching
  throw new NotFoundError(`No such device: "${id}".`, 'See "secure-chat devices".')
}

/** One of these devices. On a terminal the person chooses, else there must be only one. */
export async function pickDevice(
  io: Io,
  devices: readonly DeviceInfo[],
  notes: Notes = new Map<string, string>()
): Promise<DeviceInfo> {
  if (devices.length === 1) return devices[0]!
  const table = deviceTable(devices, notes)
  if (!isInteractive(io))
    throw new UsageError(`More than one device matches:\n${table}`, 'Use the id of one.')
  printToStderr(io, table)
  const choices = devices.map((device) => {
    return { label: cellsOf(device).slice(1).join('  '), hint: device.id.slice(0, 8) }
  })
  return devices[await choose(io, 'Which device?', choices)]!
}

/** Each device with its id, name and time, and below what else tells it from the others. */
export function deviceTable(devices: readonly DeviceInfo[], notes?: Notes): string {
  const notesOf = ({ id }: DeviceInfo) => (notes?.has(id) === true ? [`  ${notes.get(id)}`] : [])
  return formatTable(devices.map(cellsOf))
    .flatMap((line, at) => [line, ...notesOf(devices[at]!)])
    .join('\n')
}

function cellsOf({ id, name, createdAt }: DeviceInfo): string[] {
  return [id, `"${sanitize(name)}"`, createdAt === '' ? '' : formatTime(createdAt)]
}
