import type { DeviceInfo } from '../client/index.js'
import { NotFoundError, UsageError } from './errors.js'

/** The device whose id begins with `id`; without an id, the only one. */
export function pickDevice(devices: readonly DeviceInfo[], id: string | undefined): DeviceInfo {
  if (devices.length === 0) throw new UsageError('No device waits for approval.')
  const matching =
    id === undefined ? devices : devices.filter((device) => device.id.startsWith(id.toLowerCase()))
  const [first, ...others] = matching
  if (first === undefined) throw new NotFoundError(`No such device: "${id}".`, 'See "secure-chat devices".')
  if (others.length > 0)
    throw new UsageError(
      'More than one device matches.',
      `Use the id of one: ${matching.map(({ id }) => id).join(', ')}.`
    )
  return first
}
