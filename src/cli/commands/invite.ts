import type { Command } from 'commander'
import { parseLink, type ChatClient } from '../../client/index.js'
import { UsageError } from '../errors.js'
import { addExamples } from '../help.js'
import { registerAsked } from '../new-account.js'
import { username, uuid, wholeNumber } from '../parsers.js'
import { isOnThisMachine, serverUrl, type GlobalOptions } from '../profile.js'
import { findGroup } from '../recipient.js'
import { formatTable, formatTime } from '../terminal/format.js'
import { printToStderr, print, printJson, type Io } from '../terminal/io.js'
import { isInteractive, promptSecret } from '../terminal/prompt.js'
import { sanitize } from '../terminal/sanitize.js'
import { firstLineOfStdin } from '../terminal/stdin.js'
import { rememberServer, withChat, withClient } from '../with-chat.js'

interface InviteOptions {
  group?: string[]
  uses?: number
  days?: number
  note?: string
  json?: boolean
}

interface JoinOptions {
  deviceName?: string
  json?: boolean
}

/** `invite …` and `join`: links for people who have no account yet, and for those who have one. */
export function inviteCommands(program: Command, io: Io): void {
  const options = () => program.opts<GlobalOptions>()
  const inChat = (work: (chat: ChatClient) => Promise<void>) => withChat(io, options(), work)
  const invite = program
    .command('invite')
    .description('invite people to the server: the link that this prints verifies you and them')
  addExamples(invite, 'invite', 'invite --group team --note "for Bob"', 'invite --uses 20 --days 2')
  invite
    .command('create', { isDefault: true })
    .description('make a link, and print it')
    .option('--group <name>', 'add whoever comes to this group of yours; repeatable', collect)
    .option('--uses <number>', 'how many accounts it may make (1)', wholeNumber(1))
    .option('--days <number>', 'days until it expires (7)', wholeNumber(1))
    .option('--note <text>', 'for your list of invitations; the server can read it')
    .option('--json', 'print one line of JSON')
    .action((given: InviteOptions) => inChat((chat) => create(io, options(), chat, given)))
  invite
    .command('list')
    .description('list your invitations, and who came by them')
    .option('--json', 'print one line of JSON for each')
    .action(({ json }: { json?: boolean }) => inChat((chat) => list(io, chat, json)))
  invite
    .command('revoke')
    .description('make an invitation void; those who came by it stay')
    .argument('<id>', 'its id, as the list shows it', uuid)
    .action((id: string) =>
      inChat(async (chat) => {
        await chat.invitations.revoke(id)
        printToStderr(io, 'The link admits nobody any more.')
      })
    )
  addExamples(
    program
      .command('join')
      .description('create an account with the link of an invitation, or verify the user whose link it is')
      .argument('<link>', 'all of it, also what comes after #; - reads it from stdin, or asks for it')
      .argument('[name]', 'username of the new account', username)
      .option('--device-name <name>', 'name of this machine')
      .option('--json', 'print one line of JSON')
      .action(async (link: string, name: string | undefined, given: JoinOptions) =>
        join(io, options(), link === '-' ? await readLink(io) : link, name, given)
      ),
    "join 'https://chat.example.org/#/join/…' bob",
    'join - bob < link.txt'
  )
}

function collect(name: string, before: readonly string[] = []): string[] {
  return [...before, name]
}

async function create(
  io: Io,
  options: GlobalOptions,
  chat: ChatClient,
  { group: names = [], uses, days, note, json }: InviteOptions
): Promise<void> {
  const groups: string[] = []
  for (const name of names) groups.push((await findGroup(chat, name)).id)
  const given = { ...(uses && { uses }), ...(days && { days }), ...(note !== undefined && { note }) }
  const invitation = await chat.invitations.create({ groups, ...given })
  if (json === true) printJson(io, invitation)
  else print(io, invitation.link)
  const isForOne = (uses ?? 1) === 1
  printToStderr(
    io,
    `It is for ${isForOne ? 'one person' : `${uses} people`}, until ${formatTime(invitation.expiresAt)}. ` +
      (isForOne
        ? 'Give it to them by a way that nobody else reads: you are then verified to each other.'
        : 'People who come by it have verified you. You verify them by safety numbers.')
  )
  printToStderr(io, 'This machine hears of those who came when it listens: secure-chat listen')
  if (isOnThisMachine(await serverUrl(io, options)))
    printToStderr(io, 'The link names this machine only. For others, log in under the address that they use.')
}

async function list(io: Io, chat: ChatClient, json: boolean | undefined): Promise<void> {
  const invitations = await chat.invitations.list()
  if (json === true) return invitations.forEach((invitation) => printJson(io, invitation))
  const rows = invitations.map(({ id, uses, maxUses, expiresAt, revokedAt, usedBy, note }) => [
    id,
    `${uses} of ${maxUses}`,
    revokedAt !== null ? 'revoked' : `until ${formatTime(expiresAt)}`,
    sanitize(usedBy.map((one) => one.username).join(', ')),
    sanitize(note)
  ])
  formatTable(rows).forEach((line) => print(io, line))
}

/** Other users of the machine see the arguments of a command, and a link admits whoever has it. */
function readLink(io: Io): Promise<string> {
  return isInteractive(io) ? promptSecret(io, 'The link', '') : firstLineOfStdin(io)
}

async function join(
  io: Io,
  options: GlobalOptions,
  given: string,
  name: string | undefined,
  more: JoinOptions
): Promise<void> {
  const link = parseLink(given)
  // The operator may know the server under another address than its users.
  const url = options.url === undefined ? link.url : new URL(await serverUrl(io, options)).origin
  const text = given.replace(/^[^#]*/, `${url}/`)
  const there = { ...options, url }
  if (link.type === 'join') return register(io, there, { link: text, name, inviter: link.inviter }, more)
  await withChat(io, there, async (chat) => {
    const username = await chat.contacts.add(text)
    if (more.json === true) printJson(io, { username, status: 'verified' })
    else print(io, `${username} is verified.`)
  })
}

async function register(
  io: Io,
  options: GlobalOptions,
  { link, name, inviter }: { link: string; name: string | undefined; inviter: { username: string } | null },
  { deviceName, json }: JoinOptions
): Promise<void> {
  if (name === undefined)
    throw new UsageError('The link makes an account. Choose a name for it.', 'secure-chat join LINK NAME')
  await withClient(io, options, async (chat) => {
    const named = deviceName === undefined ? {} : { deviceName }
    const account = await registerAsked(io, options, chat, { username: name, invite: link, ...named })
    await rememberServer(io, options)
    if (json === true) printJson(io, { ...account, inviter: inviter?.username ?? null })
    else print(io, `You are ${account.username}.`)
    if (inviter !== null)
      printToStderr(io, `${inviter.username} is verified. Write: secure-chat send ${inviter.username}`)
    printToStderr(
      io,
      'If you lose this machine, a backup can restore your messages: secure-chat backup create'
    )
  })
}
