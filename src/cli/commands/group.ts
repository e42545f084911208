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
const GROUP = 'id or name of the group'

/** `group …`: groups and their members. */
export function groupCommands(program: Command, io: Io): void {
  const inChat = (work: (chat: ChatClient) => Promise<void>) =>
    withChat(io, program.opts<GlobalOptions>(), work)
  /** Run `work` with the group of that name. */
  const inGroup = (name: string, work: (chat: ChatClient, group: Conversation) => Promise<void>) =>
    inChat(async (chat) => work(chat, await findGroup(chat, name)))
  const group = program.command('group').description('create groups and change their members')
  addExamples(
    group,
    'group create ops bob carol',
    'group add ops dave --admin',
    'group role ops bob admin',
    'group info ops'
  )

  group
    .command('create')
    .description('create a group with you as its admin; prints its id')
    .argument('<title>', 'name of the group')
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
    .description('add users; they can read later messages only')
    .argument('<group>', GROUP)
    .argument('<names...>', 'usernames', usernames)
    .option('--admin', 'add them as admins')
    .action((name: string, names: string[], { admin }: { admin?: boolean }) =>
      inGroup(name, async (chat, { id, title, members }) => {
        const isIn = (each: string) => members.some(({ username }) => username === each)
        for (const each of names.filter(isIn))
          printToStderr(io, `${each} is already in "${sanitize(title ?? id)}".`)
        const added = names.filter((each) => !isIn(each))
        for (const each of added) {
          await chat.conversations.add(id, each, admin === true ? 'admin' : 'member')
          printToStderr(io, `${each} was added to "${sanitize(title ?? id)}".`)
        }
        if (added.length > 0) await repeatTitle(chat, id, title)
      })
    )
  group
    .command('remove')
    .description('remove a user, who can then read no later message')
    .argument('<group>', GROUP)
    .argument('<name>', 'username', username)
    .action((name: string, username: string) =>
      inGroup(name, async (chat, group) => {
        if (username === chat.account!.username)
          throw new UsageError(
            'You cannot remove yourself.',
            `Use "secure-chat group leave ${sanitize(name)}".`
          )
        if (!group.members.some((member) => member.username === username))
          throw new NotFoundError(`${username} is not in "${sanitize(group.title ?? group.id)}".`)
        await chat.conversations.remove(group.id, username)
        printToStderr(io, `${username} was removed from "${sanitize(group.title ?? group.id)}".`)
      })
    )
  group
    .command('role')
    .description('make a member an admin, or an admin a member')
    .argument('<group>', GROUP)
    .argument('<name>', 'username', username)
    .addArgument(new Argument('<role>', 'the new role').choices(['admin', 'member']))
    .action((name: string, username: string, role: Role) =>
      inGroup(name, async (chat, { id }) => {
        await chat.conversations.setRole(id, username, role)
        printToStderr(io, `${username} is ${role === 'admin' ? 'an admin' : 'a member'} now.`)
      })
    )
  group
    .command('renew')
    .description('renew the membership of a user whose new identity you have accepted')
    .argument('<group>', GROUP)
    .argument('<name>', 'username', username)
    .action((name: string, username: string) =>
      inGroup(name, async (chat, { id, title }) => {
        await chat.conversations.renew(id, username)
        await repeatTitle(chat, id, title)
        printToStderr(io, `The membership of ${username} is renewed.`)
      })
    )
  group
    .command('rename')
    .description('rename the group')
    .argument('<group>', GROUP)
    .argument('<title>', 'the new name')
    .action((name: string, title: string) =>
      inGroup(name, async (chat, { id }) => {
        await chat.conversations.rename(id, title)
        printToStderr(io, `The group is called "${sanitize(title)}" now.`)
      })
    )
  group
    .command('leave')
    .description('leave the group')
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
    .description('show the members of the group')
    .argument('<group>', GROUP)
    .option('--json', 'print one line of JSON')
    .action((name: string, { json }: { json?: boolean }) =>
      inGroup(name, async (_, found) => {
        if (json === true) return printJson(io, conversationJson(found))
        print(io, `${sanitize(found.title ?? '(no name)')}  ${found.id}`)
        const rows = found.members.map(({ username, role, stale }) => [
          `  ${sanitize(username)}`,
          role,
          stale ? 'has a new identity: accept it, then renew the membership' : ''
        ])
        formatTable(rows).forEach((line) => print(io, line))
      })
    )
}

/** A new member cannot read the earlier message that names the group. */
async function repeatTitle(chat: ChatClient, id: string, title: string | null): Promise<void> {
  if (title !== null) await chat.conversations.rename(id, title)
}

function namesOf({ members }: Conversation): string {
  return members.map(({ username }) => sanitize(username)).join(', ')
}
