import type { Command } from 'commander'
import type { ChatClient, DeviceInfo } from '../../client/index.js'
import { approve } from '../approval.js'
import { UsageError } from '../errors.js'
import { addExamples } from '../help.js'
import { waitUntilLinked } from '../linking.js'
import { matchingDevices, pickDevice } from '../pick-device.js'
import { revoke, type RevokeOptions } from '../revocation.js'
import { printToStderr, print, printJson, type Io } from '../terminal/io.js'
import { formatTime, formatTable } from '../terminal/format.js'
import type { GlobalOptions } from '../profile.js'
import { sanitize } from '../terminal/sanitize.js'
import { confirm } from '../terminal/prompt.js'
import { accountPassword, requireAccount, waitsNoMore, withClient, withChat } from '../with-chat.js'

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
    'devices approve 3f2a --number "65662 85593 …"',
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
    .description('approve a new device, whose link number you compare; it can then read what this one can')
    .argument('[id]', 'id of the device, or the beginning of it')
    .option('--number <groups...>', 'the link number that the new device shows; needed without a terminal')
    .action((id: string | undefined, { number }: NumberOption) =>
      inChat((chat) => approve(io, chat, id, number?.join(' ')))
    )
  devices
    .command('link')
    .description('on a new device: show its link number, and say that another device has approved it')
    .option('--number <groups...>', 'the link number that the other device has approved')
    .action(({ number }: NumberOption) => link(io, options(), number?.join(' ')))
  devices
    .command('decline')
    .description('decline a device that waits for approval')
    .argument('[id]', 'id of the device, or the beginning of it; needed if several wait')
    .action((id: string | undefined) =>
      inChat(async (chat) => {
        const device = await pickDevice(io, matchingDevices(await chat.devices.requests(), id))
        await chat.devices.reject(device.id)
        printToStderr(io, `"${sanitize(device.name)}" was declined.`)
      })
    )
  devices
    .command('revoke')
    .description('revoke a device: its sessions end, and your contacts encrypt nothing more for it')
    .argument('<id>', 'id of the device, or the beginning of it')
    .option('--approved', 'also revoke the devices that it had approved')
    .option('--yes', 'do not ask')
    .action((id: string, given: RevokeOptions) => inChat((chat) => revoke(io, chat, id, given)))
  devices
    .command('rekey')
    .description('replace the encryption keys of this device')
    .option('--forget-past', 'also destroy the keys of older messages: this device can never read them again')
    .option('--yes', 'do not ask')
    .action(({ forgetPast = false, yes }: { forgetPast?: boolean } & ConfirmOptions) =>
      inChat(async (chat) => {
        if (forgetPast)
          await confirm(io, 'Make all earlier messages unreadable on this device, for good?', yes)
        printToStderr(io, 'Generating keys …')
        await chat.devices.rekey({ forgetPast })
        printToStderr(io, 'This device has new encryption keys.')
      })
    )
  devices
    .command('reset')
    .description('start again when all other devices are lost; your contacts see a new identity')
    .option('--yes', 'do not ask')
    .action(({ yes }: ConfirmOptions) => reset(io, options(), yes))
}

interface NumberOption {
  /** Its groups, in one text or several. */
  number?: string[]
}

function show(io: Io, devices: readonly DeviceInfo[], json: boolean | undefined): void {
  if (json === true) return devices.forEach((device) => printJson(io, device))
  const rows = devices.map(({ id, name, status, createdAt, purpose, current }) => [
    id,
    `"${sanitize(name)}"${current ? ' (this one)' : ''}`,
    status,
    createdAt === '' ? '' : formatTime(createdAt),
    purpose === 'recovery' ? 'key backup' : ''
  ])
  formatTable(rows).forEach((line) => print(io, line))
}

async function link(io: Io, options: GlobalOptions, number: string | undefined): Promise<void> {
  await withClient(io, options, async (chat) => {
    const account = requireAccount(io, options, chat)
    if (account.status !== 'pending') throw new UsageError('This device is linked already.')
    if (!account.loggedIn) throw waitsNoMore(account)
    if (number !== undefined) await chat.confirmLink(number)
    await waitUntilLinked(io, chat)
  })
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
    const password = await accountPassword(io, options, chat, username)
    printToStderr(io, 'Generating keys …')
    await chat.devices.reset({ username, password })
    print(io, `You are ${username}, with a new identity.`)
    printToStderr(
      io,
      'Tell your contacts by another way, so that they accept it: the server could do the same.'
    )
  })
}
