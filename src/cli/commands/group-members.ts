import { Argument, type Command } from 'commander'
import type { ChatClient, Conversation } from '../../client/index.js'
import { username, usernames } from '../parsers.js'
import { NotFoundError, UsageError } from '../errors.js'
import { recommendAdmin } from '../second-admin.js'
import { printToStderr, type Io } from '../terminal/io.js'
import { sanitize } from '../terminal/sanitize.js'

type Role = 'admin' | 'member'
export const GROUP = 'id or name of the group'

/** Runs `work` with the group of that name. */
export type InGroup = (
  name: string,
  work: (chat: ChatClient, group: Conversation) => Promise<void>
) => Promise<void>

/** `group add`, `remove`, `role`, `renew`: who is in a group, and as what. */
export function groupMembersCommands(group: Command, io: Io, inGroup: InGroup): void {
  group
    .command('add')
    .description('add users; they can read later messages only')
    .argument('<group>', GROUP)
    .argument('<names...>', 'usernames', usernames)
    .option('--admin', 'add them as admins')
    .action((name: string, names: string[], { admin }: { admin?: boolean }) =>
      inGroup(name, (chat, found) => add(io, chat, found, names, admin === true ? 'admin' : 'member'))
    )
  group
    .command('remove')
    .description('remove users, who can then read no later message')
    .argument('<group>', GROUP)
    .argument('<names...>', 'usernames', usernames)
    .action((name: string, names: string[]) =>
      inGroup(name, async (chat, { id, title, members }) => {
        if (names.includes(chat.account!.username))
          throw new UsageError(
            'You cannot remove yourself.',
            `Use "secure-chat group leave ${sanitize(name)}".`
          )
        for (const name of names)
          if (!members.some(({ username }) => username === name))
            throw new NotFoundError(`${name} is not in "${sanitize(title ?? id)}".`)
        await chat.conversations.remove(id, names)
        for (const name of names) printToStderr(io, `${name} was removed from "${sanitize(title ?? id)}".`)
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
      inGroup(name, async (chat, { id }) => {
        await chat.conversations.renew(id, username)
        printToStderr(io, `The membership of ${username} is renewed.`)
      })
    )
}

async function add(
  io: Io,
  chat: ChatClient,
  { id, title, members }: Conversation,
  names: readonly string[],
  role: Role
): Promise<void> {
  const isIn = (name: string) => members.some(({ username }) => username === name)
  for (const name of names.filter(isIn))
    printToStderr(io, `${name} is already in "${sanitize(title ?? id)}".`)
  const added = names.filter((name) => !isIn(name))
  if (added.length === 0) return
  const now = await chat.conversations.add(id, added, role)
  for (const name of added) printToStderr(io, `${name} was added to "${sanitize(title ?? id)}".`)
  recommendAdmin(io, now)
}
