import type { Command } from 'commander'
import type { ChatClient } from '../../client/index.js'
import { username } from '../parsers.js'
import { addExamples } from '../help.js'
import { printToStderr, print, printJson, type Io } from '../terminal/io.js'
import { formatTable } from '../terminal/format.js'
import type { GlobalOptions } from '../profile.js'
import { sanitize } from '../terminal/sanitize.js'
import { confirm, isInteractive } from '../terminal/prompt.js'
import { withChat } from '../with-chat.js'

/** `contacts`, `verify`, `accept`: the trust in other users' identities. */
export function contactsCommands(program: Command, io: Io): void {
  const inChat = (work: (chat: ChatClient) => Promise<void>) =>
    withChat(io, program.opts<GlobalOptions>(), work)
  addExamples(
    program
      .command('contacts')
      .description('list the users that this device has met: unverified, verified or changed')
      .option('--json', 'print one line of JSON for each')
      .action(({ json }: { json?: boolean }) => inChat((chat) => list(io, chat, json))),
    'contacts',
    'contacts --json'
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
      .action((name: string) => inChat((chat) => accept(io, chat, name))),
    'accept bob'
  )
}

async function list(io: Io, chat: ChatClient, json: boolean | undefined): Promise<void> {
  const contacts = await chat.contacts.list()
  if (json === true) return contacts.forEach((contact) => printJson(io, contact))
  const rows = contacts.map(({ username, status, wasVerified }) => [
    username,
    wasVerified === true ? `${status} (was verified)` : status
  ])
  formatTable(rows).forEach((line) => print(io, line))
}

async function verify(io: Io, chat: ChatClient, name: string, given: string): Promise<void> {
  if (given === '') {
    const shown = await chat.contacts.safetyNumber(name)
    print(io, shown)
    const { status } = await chat.contacts.get(name)
    if (status === 'verified') return printToStderr(io, `${name} is verified.`)
    printToStderr(io, `Compare it with the number that ${name} sees, face to face or by voice.`)
    if (!isInteractive(io)) return printToStderr(io, `If they are equal: secure-chat verify ${name} ${shown}`)
    await confirm(io, 'Are they equal?', false)
    // The number that was compared counts, whatever the server shows by now.
    await chat.contacts.verify(name, shown)
  } else await chat.contacts.verify(name, given)
  printToStderr(io, `${name} is verified.`)
}

async function accept(io: Io, chat: ChatClient, name: string): Promise<void> {
  const { status } = await chat.contacts.get(name)
  if (status !== 'changed')
    return printToStderr(io, `${name} has no new identity: there is nothing to accept.`)
  await chat.contacts.accept(name)
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
