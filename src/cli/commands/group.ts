import { Argument, type Command } from 'commander'
import type { ChatClient, Conversation } from '../../client/index.js'
import { username, usernames } from '../parsers.js'
import { NotFoundError, UsageError } from '../errors.js'
import { addExamples } from '../help.js'
import { printToStderr, print, printJson, type Io } from '../terminal/io.js'
import { formatTable } from '../terminal/format.js'
import type { GlobalOptions } from '../profile.js'
import { findGroup } from '../recipient.js'
import { conversationJson } from '../output/messages.js'
import { sanitize } from '../terminal/sanitize.js'
import { confirm } from '../terminal/prompt.js'
import { withChat } from '../with-chat.js'

type Role = 'admin' | 'member'
const GROUP = 'its id or name'

/** `group …`: groups and who is in them. */
export function groupCommands(program: Command, io: Io): void {
  const inChat = (work: (chat: ChatClient) => Promise<void>) =>
    withChat(io, program.opts<GlobalOptions>(), work)
  /** Do something with the group of that name. */
  const inGroup = (name: string, work: (chat: ChatClient, group: Conversation) => Promise<void>) =>
    inChat(async (chat) => work(chat, await findGroup(chat, name)))
  const group = program.command('group').description('make groups, and change who is in them')
  addExamples(
    group,
    'group create ops bob carol',
    'group add ops dave --admin',
    'group role ops bob admin',
    'group info ops'
  )

  group
    .command('create')
    .description('a new group, with you as its admin; prints its id')
    .argument('<title>', 'what it is called')
    .argument('[names...]', 'usernames', usernames)
    .action((title: string, names: string[] = []) =>
      inChat(async (chat) => {
        const made = await chat.conversations.createGroup(title, names)
        print(io, made.id)
        printToStderr(io, `In "${sanitize(title)}": ${namesOf(made)}`)
      })
    )
  group
    .command('add')
    .description('take users in; they read what is said from then on')
    .argument('<group>', GROUP)
    .argument('<names...>', 'usernames', usernames)
    .option('--admin', 'as admins')
    .action((name: string, names: string[], { admin }: { admin?: boolean }) =>
      inGroup(name, async (chat, { id, title, members }) => {
        const isIn = (each: string) => members.some(({ username }) => username === each)
        for (const each of names.filter(isIn)) printToStderr(io, `${each} is in it already.`)
        const added = names.filter((each) => !isIn(each))
        for (const each of added) {
          await chat.conversations.add(id, each, admin === true ? 'admin' : 'member')
          printToStderr(io, `${each} is in "${sanitize(title ?? id)}".`)
        }
        if (added.length > 0) await sayAgain(chat, id, title)
      })
    )
  group
    .command('remove')
    .description('take a user out, who reads nothing that is said from then on')
    .argument('<group>', GROUP)
    .argument('<name>', 'username', username)
    .action((name: string, username: string) =>
      inGroup(name, async (chat, group) => {
        if (username === chat.account!.username)
          throw new UsageError('That is you.', `Say "secure-chat group leave ${sanitize(name)}".`)
        if (!group.members.some((member) => member.username === username))
          throw new NotFoundError(`${username} is not in "${sanitize(group.title ?? group.id)}".`)
        await chat.conversations.remove(group.id, username)
        printToStderr(io, `${username} is out.`)
      })
    )
  group
    .command('role')
    .description('make a member an admin, or an admin a member')
    .argument('<group>', GROUP)
    .argument('<name>', 'username', username)
    .addArgument(new Argument('<role>', 'what to make of the user').choices(['admin', 'member']))
    .action((name: string, username: string, role: Role) =>
      inGroup(name, async (chat, { id }) => {
        await chat.conversations.setRole(id, username, role)
        printToStderr(io, `${username} is ${role === 'admin' ? 'an admin' : 'a member'} now.`)
      })
    )
  group
    .command('renew')
    .description('go on with a member who has begun anew, and whose new identity you have accepted')
    .argument('<group>', GROUP)
    .argument('<name>', 'username', username)
    .action((name: string, username: string) =>
      inGroup(name, async (chat, { id, title }) => {
        await chat.conversations.renew(id, username)
        await sayAgain(chat, id, title)
        printToStderr(io, `${username} is in with the new identity.`)
      })
    )
  group
    .command('rename')
    .description('give it another name')
    .argument('<group>', GROUP)
    .argument('<title>', 'what it is to be called')
    .action((name: string, title: string) =>
      inGroup(name, async (chat, { id }) => {
        await chat.conversations.rename(id, title)
        printToStderr(io, `It is called "${sanitize(title)}" now.`)
      })
    )
  group
    .command('leave')
    .description('leave it')
    .argument('<group>', GROUP)
    .option('--yes', 'do not ask')
    .action((name: string, { yes }: { yes?: boolean }) =>
      inGroup(name, async (chat, { id, title }) => {
        await confirm(io, `Leave "${sanitize(title ?? id)}"?`, yes)
        await chat.conversations.leave(id)
        printToStderr(io, `You have left "${sanitize(title ?? id)}".`)
      })
    )
  group
    .command('info')
    .description('who is in it')
    .argument('<group>', GROUP)
    .option('--json', 'as one line of JSON')
    .action((name: string, { json }: { json?: boolean }) =>
      inGroup(name, async (_, found) => {
        if (json === true) return printJson(io, conversationJson(found))
        print(io, `${sanitize(found.title ?? '(no name)')}  ${found.id}`)
        const rows = found.members.map(({ username, role, stale }) => [
          ...[`  ${sanitize(username)}`, role],
          stale ? 'has begun anew: accept, then renew' : ''
        ])
        formatTable(rows).forEach((line) => print(io, line))
      })
    )
}

/** Who is new cannot read the message that has named the group. */
async function sayAgain(chat: ChatClient, id: string, title: string | null): Promise<void> {
  if (title !== null) await chat.conversations.rename(id, title)
}

function namesOf({ members }: Conversation): string {
  return members.map(({ username }) => sanitize(username)).join(', ')
}
