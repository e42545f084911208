import type { Command } from 'commander'
import type { ChatClient, Conversation } from '../../client/index.js'
import { NotFoundError, UsageError } from '../errors.js'
import { addExamples } from '../help.js'
import { username } from '../parsers.js'
import { conversationJson } from '../output/messages.js'
import type { GlobalOptions } from '../profile.js'
import { formatTable } from '../terminal/format.js'
import { print, printJson, printToStderr, type Io } from '../terminal/io.js'
import { sanitize } from '../terminal/sanitize.js'
import { withChat } from '../with-chat.js'

const WHICH = 'the user who has sent it, or the id of the conversation'

/** `requests`, `accept-request`, `decline-request`, `block`, `unblock`, `blocks`: who may talk to the user. */
export function requestsCommands(program: Command, io: Io): void {
  const inChat = (work: (chat: ChatClient) => Promise<void>) =>
    withChat(io, program.opts<GlobalOptions>(), work)
  addExamples(
    program
      .command('requests')
      .description('list the conversations that strangers have begun with you')
      .option('--json', 'print one line of JSON for each')
      .action(({ json }: { json?: boolean }) => inChat((chat) => list(io, chat, json))),
    'requests',
    'requests --json'
  )
  addExamples(
    program
      .command('accept-request')
      .description('accept a conversation that a stranger has begun, and read it')
      .argument('<which>', WHICH)
      .action((which: string) => inChat((chat) => accept(io, chat, which))),
    'accept-request bob'
  )
  addExamples(
    program
      .command('decline-request')
      .description('leave a group to which a stranger has added you, or hide a direct conversation')
      .argument('<which>', WHICH)
      .action((which: string) => inChat((chat) => decline(io, chat, which))),
    'decline-request bob'
  )
  addExamples(
    program
      .command('block')
      .description('take no new conversations from a user, and hide their messages in common groups')
      .argument('<name>', 'username', username)
      .action((name: string) =>
        inChat(async (chat) => {
          await chat.contacts.block(name)
          printToStderr(io, `${name} is blocked, and is not told. To undo it: secure-chat unblock ${name}`)
        })
      ),
    'block bob'
  )
  addExamples(
    program
      .command('unblock')
      .description('undo "block"')
      .argument('<name>', 'username', username)
      .action((name: string) =>
        inChat(async (chat) => {
          await chat.contacts.unblock(name)
          printToStderr(io, `${name} is not blocked.`)
        })
      ),
    'unblock bob'
  )
  addExamples(
    program
      .command('blocks')
      .description('list the users whom you have blocked')
      .option('--json', 'print one line of JSON for each')
      .action(({ json }: { json?: boolean }) =>
        inChat(async (chat) => {
          for (const name of await chat.contacts.blocked())
            if (json === true) printJson(io, { username: name })
            else print(io, sanitize(name))
        })
      ),
    'blocks',
    'blocks --json'
  )
}

async function list(io: Io, chat: ChatClient, json: boolean | undefined): Promise<void> {
  const found = await chat.requests.list()
  if (json === true) return found.forEach((one) => printJson(io, conversationJson(one)))
  const rows = found.map(({ id, kind, request, members }) => [
    id,
    kind,
    sanitize(request!.by),
    members.map((member) => sanitize(member.username)).join(', ')
  ])
  formatTable(rows).forEach((line) => print(io, line))
  if (found.length > 0)
    printToStderr(
      io,
      'To read one: secure-chat accept-request ID. To decline it: secure-chat decline-request ID'
    )
}

async function accept(io: Io, chat: ChatClient, which: string): Promise<void> {
  const { id } = await find(chat, which)
  await chat.requests.accept(id)
  printToStderr(io, `The conversation is accepted. To read it: secure-chat history ${id}`)
}

async function decline(io: Io, chat: ChatClient, which: string): Promise<void> {
  const { id, request } = await find(chat, which)
  await chat.requests.decline(id)
  const by = sanitize(request!.by)
  printToStderr(io, `It is declined. To hear nothing more of ${by}: secure-chat block ${by}`)
}

async function find(chat: ChatClient, which: string): Promise<Conversation> {
  const name = which.replace(/^@/, '').toLowerCase()
  const found = (await chat.conversations.list()).filter(
    ({ id, request }) => request !== null && (id === name || request.by === name)
  )
  if (found.length === 1) return found[0]!
  if (found.length === 0)
    throw new NotFoundError(
      `There is no request of "${which}".`,
      'List those that wait with "secure-chat requests".'
    )
  throw new UsageError(
    `${name} has sent more than one request.`,
    `Use the id of one: ${found.map(({ id }) => id).join(', ')}.`
  )
}
