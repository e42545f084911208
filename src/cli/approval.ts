import type { ChatClient } from '../client/index.js'
import { UsageError } from './errors.js'
import { matchingDevices, pickDevice } from './pick-device.js'
import { print, printToStderr, type Io } from './terminal/io.js'
import { confirm, isInteractive } from './terminal/prompt.js'
import { sanitize } from './terminal/sanitize.js'

/**
 * Approve a waiting device, whose link number the person compares. If several wait, the number or the person says
 * which.
 *
 * @param id the beginning of its id
 * @param given the number that the new device shows; needed without a terminal
 */
export async function approve(
  io: Io,
  chat: ChatClient,
  id: string | undefined,
  given: string | undefined
): Promise<void> {
  const waiting = matchingDevices(await chat.devices.requests(), id)
  const numbers = new Map<string, string>()
  for (const { id } of waiting) numbers.set(id, await chat.devices.linkNumber(id))
  const named = waiting.filter(({ id }) => given?.replace(/\D/g, '') === numbers.get(id)!.replace(/\D/g, ''))
  const device = await pickDevice(io, named.length === 1 ? named : waiting, numbers)
  const name = `"${sanitize(device.name)}"`
  const number = given ?? (await compared(io, name, numbers.get(device.id)!))
  await chat.devices.approve(device.id, { number })
  printToStderr(io, `${name} is approved, and can read what this device can. Say so on the new device, too.`)
}

async function compared(io: Io, name: string, number: string): Promise<string> {
  if (!isInteractive(io))
    throw new UsageError(
      'There is no terminal to compare the link number on.',
      'Pass the number that the new device shows: --number "12345 …".'
    )
  print(io, `The link number of ${name} is`)
  print(io, number)
  await confirm(io, 'Does the new device show the same number?', false)
  return number
}
