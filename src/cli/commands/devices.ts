import type { Command } from 'commander'
import type { ChatClient, DeviceInfo } from '../../client/index.js'
import { fingerprint as fingerprintOf } from '../parsers.js'
import { NotFoundError, UsageError } from '../errors.js'
import { addExamples } from '../help.js'
import { printToStderr, print, printJson, type Io } from '../terminal/io.js'
import { formatFingerprint, formatTime, formatTable } from '../terminal/format.js'
import type { GlobalOptions } from '../profile.js'
import { sanitize } from '../terminal/sanitize.js'
import { readPassword, confirm, isInteractive } from '../terminal/prompt.js'
import { requireAccount, withClient, withChat } from '../with-chat.js'

interface ConfirmOptions {
  yes?: boolean
}

/** `devices …`: the user's devices and their keys. */
export function devicesCommands(program: Command, io: Io): void {
  const options = () => program.opts<GlobalOptions>()
  const inChat = (work: (chat: ChatClient) => Promise<void>) => withChat(io, options(), work)
  const devices = program
    .command('devices')
    .description('list, approve and revoke your devices, and change their keys')
  addExamples(
    devices,
    'devices',
    'devices approve',
    'devices approve 3f2a --fingerprint 91f0c2aa…',
    'devices revoke 3f2a',
    'devices rekey --forget-past'
  )

  devices
    .command('list', { isDefault: true })
    .description('list all devices')
    .option('--json', 'print one line of JSON for each')
    .action(({ json }: { json?: boolean }) =>
      inChat(async (chat) => show(io, await chat.devices.list(), json))
    )
  devices
    .command('requests')
    .description('list the devices that wait for approval')
    .option('--json', 'print one line of JSON for each')
    .action(({ json }: { json?: boolean }) =>
      inChat(async (chat) => show(io, await chat.devices.requests(), json))
    )
  devices
    .command('approve')
    .description('approve a new device; it can then read what this one can')
    .argument('[id]', 'id of the device, or the beginning of it; needed if several wait')
    .option(
      '--fingerprint <hex>',
      'the fingerprint that the new device shows; needed without a terminal',
      fingerprintOf
    )
    .action((id: string | undefined, { fingerprint }: { fingerprint?: string }) =>
      inChat((chat) => approve(io, chat, id, fingerprint))
    )
  devices
    .command('decline')
    .description('decline a device that waits for approval')
    .argument('[id]', 'id of the device, or the beginning of it; needed if several wait')
    .action((id: string | undefined) =>
      inChat(async (chat) => {
        const device = pick(await chat.devices.requests(), id)
        await chat.devices.reject(device.id)
        printToStderr(io, `"${sanitize(device.name)}" was declined.`)
      })
    )
  devices
    .command('revoke')
    .description('revoke a device: its sessions end, and no message is encrypted for it any more')
    .argument('<id>', 'id of the device, or the beginning of it')
    .option('--yes', 'do not ask')
    .action((id: string, { yes }: ConfirmOptions) => inChat((chat) => revoke(io, chat, id, yes)))
  devices
    .command('rekey')
    .description('replace the encryption key of this device')
    .option('--forget-past', 'also destroy the keys of older messages: this device can never read them again')
    .option('--yes', 'do not ask')
    .action(({ forgetPast = false, yes }: { forgetPast?: boolean } & ConfirmOptions) =>
      inChat(async (chat) => {
        if (forgetPast)
          await confirm(io, 'Make all earlier messages unreadable on this device, for good?', yes)
        printToStderr(io, 'Generating keys …')
        await chat.devices.rekey({ forgetPast })
        printToStderr(io, 'This device has a new encryption key.')
      })
    )
  devices
    .command('reset')
    .description('start again when all other devices are lost; your contacts see a new identity')
    .option('--yes', 'do not ask')
    .action(({ yes }: ConfirmOptions) => reset(io, options(), yes))
}

function show(io: Io, devices: readonly DeviceInfo[], json: boolean | undefined): void {
  if (json === true) return devices.forEach((device) => printJson(io, device))
  const rows = devices.map(({ id, name, status, createdAt, fingerprint, current }) => [
    id,
    `${sanitize(name)}${current ? ' (this one)' : ''}`,
    status,
    formatTime(createdAt),
    formatFingerprint(fingerprint)
  ])
  formatTable(rows).forEach((line) => print(io, line))
}

async function approve(
  io: Io,
  chat: ChatClient,
  id: string | undefined,
  given: string | undefined
): Promise<void> {
  const device = pick(await chat.devices.requests(), id)
  if (given === undefined) {
    if (!isInteractive(io))
      throw new UsageError(
        'There is no terminal to compare the fingerprint on.',
        'Pass the fingerprint that the new device shows: --fingerprint HEX.'
      )
    printToStderr(
      io,
      `"${sanitize(device.name)}" has the fingerprint\n  ${formatFingerprint(device.fingerprint)}`
    )
    await confirm(io, 'Does the new device show the same fingerprint?', false)
  }
  await chat.devices.approve(device.id, { fingerprint: given ?? device.fingerprint })
  printToStderr(io, `"${sanitize(device.name)}" is approved, and can read what this device can.`)
}

async function revoke(io: Io, chat: ChatClient, id: string, yes: boolean | undefined): Promise<void> {
  const device = pick(
    (await chat.devices.list()).filter(({ status }) => status === 'active'),
    id
  )
  const which = device.current ? 'this device' : `"${sanitize(device.name)}"`
  await confirm(io, `Revoke ${which} (${device.id})? This cannot be undone.`, yes)
  await chat.devices.revoke(device.id)
  printToStderr(io, `"${sanitize(device.name)}" was revoked.`)
}

async function reset(io: Io, options: GlobalOptions, yes: boolean | undefined): Promise<void> {
  await withClient(io, options, async (chat) => {
    const { username } = requireAccount(io, options, chat)
    await confirm(
      io,
      `Start again as ${username}? All other devices are revoked, older messages stay unreadable, ` +
        'and contacts are warned.',
      yes
    )
    const password = await readPassword(io, options, `Password of ${username}`)
    printToStderr(io, 'Generating keys …')
    const { fingerprint } = await chat.devices.reset({ username, password })
    print(
      io,
      `You are ${username}, with a new identity. This device's fingerprint is ${formatFingerprint(fingerprint)}.`
    )
  })
}

/** The device whose id begins with `id`; without an id, the only one. */
function pick(devices: readonly DeviceInfo[], id: string | undefined): DeviceInfo {
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
