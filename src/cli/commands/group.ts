import type { Command } from 'commander'
import type { ChatClient, Conversation } from '../../client/index.js'
import { showConversation, TIMER_IS_LATER } from '../conversation-info.js'
import { duration, usernames } from '../parsers.js'
import { addExamples } from '../help.js'
import { recommendAdmin } from '../second-admin.js'
import { printToStderr, print, type Io } from '../terminal/io.js'
import { formatDuration } from '../terminal/format.js'
import type { GlobalOptions } from '../profile.js'
import { findGroup } from '../recipient.js'
import { sanitize } from '../terminal/sanitize.js'
import { confirm } from '../terminal/prompt.js'
import { withChat } from '../with-chat.js'
import { GROUP, groupMembersCommands, type InGroup } from './group-members.js'

/** `group …`: groups and their members. */
export function groupCommands(program: Command, io: Io): void {
  const inChat = (work: (chat: ChatClient) => Promise<void>) =>
    withChat(io, program.opts<GlobalOptions>(), work)
  const inGroup: InGroup = (name, work) => inChat(async (chat) => work(chat, await findGroup(chat, name)))
  const group = program.command('group').description('create groups and change their members')
  addExamples(
    group,
    'group create ops bob carol',
    'group add ops dave --admin',
    'group role ops bob admin',
    'group timer ops 7d',
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
        showNew(io, made)
        await warnOfNamesakes(io, chat, made)
      })
    )
  groupMembersCommands(group, io, inGroup)
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
    .command('timer')
    .description('say after which time messages are to be deleted')
    .argument('<group>', GROUP)
    .argument('<time>', 'such as 30m, 24h, 7d or 4w, or off', duration)
    .action((name: string, seconds: number) =>
      inGroup(name, async (chat, { id, title }) => {
        await chat.conversations.setTimer(id, seconds)
        const what = seconds === 0 ? 'to be kept' : `to be deleted after ${formatDuration(seconds)}`
        printToStderr(io, `Messages of "${sanitize(title ?? id)}" are ${what}. ${TIMER_IS_LATER}`)
      })
    )
  group
    .command('recreate')
    .description('create a new group with the same name and members, for one whose admins are gone')
    .argument('<group>', GROUP)
    .option('--yes', 'do not ask')
    .action((name: string, { yes }: { yes?: boolean }) =>
      inGroup(name, async (chat, { id, title }) => {
        await confirm(
          io,
          `Go on in a new group in place of "${sanitize(title ?? id)}"? You are its only admin, it begins without ` +
            'messages, and the old group is told.',
          yes
        )
        showNew(io, await chat.conversations.recreate(id))
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
      inGroup(name, async (chat, found) => {
        await showConversation(io, chat, found, json)
        if (json !== true) recommendAdmin(io, found)
      })
    )
}

/** A name of two groups names neither. */
async function warnOfNamesakes(io: Io, chat: ChatClient, made: Conversation): Promise<void> {
  const groups = await chat.conversations.list({ readTitles: true })
  const others = groups.filter(
    ({ id, kind, title }) => kind === 'group' && title === made.title && id !== made.id
  )
  if (others.length === 0) return
  const title = sanitize(made.title ?? made.id)
  printToStderr(
    io,
    `Another group of yours is called "${title}", too. Name each by its id, or rename one: secure-chat group rename ID TITLE`
  )
}

function showNew(io: Io, made: Conversation): void {
  print(io, made.id)
  const members = made.members.map(({ username }) => sanitize(username)).join(', ')
  printToStderr(io, `In "${sanitize(made.title ?? made.id)}": ${members}`)
  recommendAdmin(io, made)
}
