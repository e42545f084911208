import { Argument, type Command } from 'commander'
import type { ChatClient, ContactPolicy } from '../../client/index.js'
import { NotFoundError, UsageError } from '../errors.js'
import { hash, username } from '../parsers.js'
import { addExamples } from '../help.js'
import { printToStderr, print, printJson, type Io } from '../terminal/io.js'
import { formatTable } from '../terminal/format.js'
import type { GlobalOptions } from '../profile.js'
import { sanitize } from '../terminal/sanitize.js'
import { confirm, isInteractive } from '../terminal/prompt.js'
import { isWaitingForTrust, tellIfWaiting } from '../shared-trust.js'
import { withChat } from '../with-chat.js'

/** Most names that a search shows: the server gives no more at once. */
const MOST_FOUND = 200

/** `users`, `contacts …`, `verify`, `accept`: who is there, and the trust in their identities. */
export function contactsCommands(program: Command, io: Io): void {
  const inChat = (work: (chat: ChatClient) => Promise<void>) =>
    withChat(io, program.opts<GlobalOptions>(), work)
  addExamples(
    program
      .command('users')
      .description('find users of the server by the beginning of their names')
      .argument('<prefix>', 'how the names begin: 3 characters or more', username)
      .option('--json', 'print one line of JSON for each')
      .action((prefix: string, { json }: { json?: boolean }) =>
        inChat((chat) => find(io, chat, prefix, json))
      ),
    'users ali'
  )
  const contacts = program
    .command('contacts')
    .description('list the users that this device has met, and decide what it knows of them')
  addExamples(contacts, 'contacts', 'contacts --json')
  contacts
    .command('list', { isDefault: true })
    .description('list the users that this device has met: unverified, verified or changed')
    .option('--json', 'print one line of JSON for each')
    .action(({ json }: { json?: boolean }) => inChat((chat) => list(io, chat, json)))
  contacts
    .command('link')
    .description('print your own link: a user who takes it with "join" has verified you')
    .action(() => inChat(async (chat) => print(io, await chat.contacts.link())))
  contacts
    .command('accept-chain')
    .description('take the chain of a user as the server shows it, in place of the one known here')
    .argument('<name>', 'username', username)
    .argument('<head>', 'the newest statement of the server’s chain, as a warning has named it', hash)
    .action((name: string, head: string) => inChat((chat) => acceptChain(io, chat, name, head)))
  contacts
    .command('go-on-alone')
    .description('on a new device: do not wait until your other devices have told whom you trust')
    .action(() =>
      inChat(async (chat) => {
        await chat.contacts.goOnAlone()
        printToStderr(
          io,
          'The users that this device has met are trusted as they are. Compare safety numbers.'
        )
      })
    )
  contacts
    .command('policy')
    .description('show or set who may begin a conversation with you')
    .addArgument(
      new Argument('[policy]', 'all at once, those whom you do not know as a request, or nobody').choices([
        'everyone',
        'requests',
        'nobody'
      ])
    )
    .action((given: ContactPolicy | undefined) =>
      inChat(async (chat) => {
        if (given !== undefined) await chat.contacts.setPolicy(given)
        print(io, await chat.contacts.policy())
      })
    )
  addExamples(
    program
      .command('verify')
      .description(
        'compare safety numbers with a user; equal numbers prove that nobody intercepts your messages'
      )
      .argument('<name>', 'username', username)
      .argument('[number...]', 'the number that the user reads to you; the user is verified if it is equal')
      .action((name: string, number: string[]) => inChat((chat) => verify(io, chat, name, number.join('')))),
    'verify bob',
    'verify bob 03561 92837 …'
  )
  addExamples(
    program
      .command('accept')
      .description('accept a user’s new identity')
      .argument('<name>', 'username', username)
      .argument('[identity]', 'the identity that was announced; needed without a terminal', hash)
      .action((name: string, root: string | undefined) => inChat((chat) => accept(io, chat, name, root))),
    'accept bob',
    'accept bob 91f0c2aa…'
  )
}

async function find(io: Io, chat: ChatClient, prefix: string, json: boolean | undefined): Promise<void> {
  const names = await chat.users.find(prefix, MOST_FOUND)
  if (names.length === 0) throw new NotFoundError(`No user has a name that begins with "${prefix}".`)
  for (const username of names)
    if (json === true) printJson(io, { username })
    else print(io, username)
  if (names.length === MOST_FOUND)
    printToStderr(io, `There may be more than these ${MOST_FOUND}. Give more of the name.`)
}

async function list(io: Io, chat: ChatClient, json: boolean | undefined): Promise<void> {
  await isWaitingForTrust(chat)
  const contacts = await chat.contacts.list()
  if (json === true) return contacts.forEach((contact) => printJson(io, contact))
  const rows = contacts.map(({ username, status, wasVerified, root }) => [
    username,
    wasVerified === true ? `${status} (was verified)` : status,
    status === 'changed' ? root : ''
  ])
  formatTable(rows).forEach((line) => print(io, line))
  await tellIfWaiting(io, chat)
}

async function verify(io: Io, chat: ChatClient, name: string, given: string): Promise<void> {
  if (given !== '') {
    await isWaitingForTrust(chat)
    await chat.contacts.verify(name, given)
    return printToStderr(io, `${name} is verified.`)
  }
  print(io, await chat.contacts.safetyNumber(name))
  const { status } = await chat.contacts.get(name)
  if (status === 'verified') return printToStderr(io, `${name} is verified.`)
  printToStderr(
    io,
    `Let ${name} read their number to you, face to face or by voice. Then enter it: ` +
      `secure-chat verify ${name} NUMBER`
  )
}

async function accept(io: Io, chat: ChatClient, name: string, given: string | undefined): Promise<void> {
  requireOther(chat, name)
  const { status, root, wasVerified } = await chat.contacts.get(name)
  if (status !== 'changed')
    return printToStderr(io, `${name} has no new identity: there is nothing to accept.`)
  if (given === undefined) {
    const verified = wasVerified === true ? ' You had verified the one before.' : ''
    printToStderr(io, `${name} has a new identity: ${root}.${verified}`)
    printToStderr(io, `It could be somebody else's. Compare safety numbers first: secure-chat verify ${name}`)
    if (!isInteractive(io))
      throw new UsageError(
        'There is no terminal to ask on.',
        `Name the identity that you accept: secure-chat accept ${name} ${root}`
      )
    await confirm(io, 'Accept it?', false)
  }
  await chat.contacts.accept(name, { root: given ?? root })
  // It needs no warning any more.
  chat.noticed()
  printToStderr(
    io,
    `Messages go to ${name}'s new identity from now on. Compare safety numbers: secure-chat verify ${name}`
  )
  // A direct conversation is renewed with the next message.
  for (const { id, kind, title, joined, members } of await chat.conversations.list({ readTitles: true }))
    if (joined && kind === 'group' && members.some(({ username, stale }) => username === name && stale))
      printToStderr(
        io,
        `In "${sanitize(title ?? id)}" ${name} reads nothing until an admin runs: ` +
          `secure-chat group renew ${id} ${name}`
      )
}

async function acceptChain(io: Io, chat: ChatClient, name: string, head: string): Promise<void> {
  requireOther(chat, name)
  await chat.users.accept(name, head)
  printToStderr(
    io,
    `The server's chain of ${name} is accepted. Compare safety numbers again: secure-chat verify ${name}`
  )
}

function requireOther({ account }: ChatClient, name: string): void {
  if (name === account?.username) throw new UsageError('This is your own name: nobody accepts themselves.')
}
