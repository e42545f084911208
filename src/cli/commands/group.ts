import { Argument, type Command } from 'commander'
import type { Chat, Conversation } from '../../client/index.js'
import { examples } from '../help.js'
import { note, print, printJson, type Io } from '../io.js'
import { table } from '../layout.js'
import type { GlobalOptions } from '../profile.js'
import { findGroup } from '../recipient.js'
import { conversationJson } from '../render.js'
import { safe } from '../safe.js'
import { confirm } from '../secrets.js'
import { withSession } from '../session.js'

type Role = 'admin' | 'member'
const GROUP = 'its id or name'

/** `group …`: groups and who is in them. */
export function groupCommands(program: Command, io: Io): void {
  const session = (work: (chat: Chat) => Promise<void>) =>
    withSession(io, program.opts<GlobalOptions>(), work)
  /** Do something with the group of that name. */
  const inGroup = (name: string, work: (chat: Chat, group: Conversation) => Promise<void>) =>
    session(async (chat) => work(chat, await findGroup(chat, name)))
  const group = program.command('group').description('make groups, and change who is in them')
  examples(
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
    .argument('[names...]', 'usernames')
    .action((title: string, names: string[]) =>
      session(async (chat) => {
        const made = await chat.conversations.createGroup(title, names)
        print(io, made.id)
        note(io, `In "${safe(title)}": ${namesOf(made)}`)
      })
    )
  group
    .command('add')
    .description('take users in; they read what is said from then on')
    .argument('<group>', GROUP)
    .argument('<names...>', 'usernames')
    .option('--admin', 'as admins')
    .action((name: string, names: string[], { admin }: { admin?: boolean }) =>
      inGroup(name, async (chat, { id, title }) => {
        for (const each of names) {
          await chat.conversations.add(id, each, admin === true ? 'admin' : 'member')
          note(io, `${safe(each)} is in "${safe(title ?? id)}".`)
        }
        // It was said in a message that they can't read.
        if (title !== null) await chat.conversations.rename(id, title)
      })
    )
  group
    .command('remove')
    .description('take a user out, who reads nothing that is said from then on')
    .argument('<group>', GROUP)
    .argument('<name>', 'username')
    .action((name: string, username: string) =>
      inGroup(name, async (chat, { id }) => {
        await chat.conversations.remove(id, username)
        note(io, `${safe(username)} is out.`)
      })
    )
  group
    .command('role')
    .description('make a member an admin, or an admin a member')
    .argument('<group>', GROUP)
    .argument('<name>', 'username')
    .addArgument(new Argument('<role>', 'what to make of the user').choices(['admin', 'member']))
    .action((name: string, username: string, role: Role) =>
      inGroup(name, async (chat, { id }) => {
        await chat.conversations.setRole(id, username, role)
        note(io, `${safe(username)} is ${role === 'admin' ? 'an admin' : 'a member'} now.`)
      })
    )
  group
    .command('renew')
    .description('go on with a member who has begun anew, and whose new identity you have accepted')
    .argument('<group>', GROUP)
    .argument('<name>', 'username')
    .action((name: string, username: string) =>
      inGroup(name, async (chat, { id }) => {
        await chat.conversations.renew(id, username)
        note(io, `${safe(username)} is in with the new identity.`)
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
        note(io, `It is called "${safe(title)}" now.`)
      })
    )
  group
    .command('leave')
    .description('leave it')
    .argument('<group>', GROUP)
    .option('--yes', 'do not ask')
    .action((name: string, { yes }: { yes?: boolean }) =>
      inGroup(name, async (chat, { id, title }) => {
        await confirm(io, `Leave "${safe(title ?? id)}"?`, yes)
        await chat.conversations.leave(id)
        note(io, `You have left "${safe(title ?? id)}".`)
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
        print(io, `${safe(found.title ?? '(no name)')}  ${found.id}`)
        const rows = found.members.map(({ username, role, stale }) => [
          ...[`  ${safe(username)}`, role],
          stale ? 'has begun anew: accept, then renew' : ''
        ])
        table(rows).forEach((line) => print(io, line))
      })
    )
}

function namesOf({ members }: Conversation): string {
  return members.map(({ username }) => safe(username)).join(', ')
}
