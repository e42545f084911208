import { Option, type Command } from 'commander'
import { ChatError, mayPass, type ChatClient, type Content } from '../../client/index.js'
import { UsageError } from '../errors.js'
import { findMessage } from '../message-ref.js'
import { uuid } from '../parsers.js'
import { addExamples } from '../help.js'
import { printToStderr, printJson, type Io } from '../terminal/io.js'
import type { GlobalOptions } from '../profile.js'
import { addressOf, findConversation, resolveRecipient, type Recipient } from '../recipient.js'
import { sanitize } from '../terminal/sanitize.js'
import { withChat } from '../with-chat.js'
import { TOO_LONG, textFromStdin } from '../terminal/stdin.js'

/** What the message does to an earlier one. */
const ACTIONS = ['reply', 'edit', 'react', 'retract'] as const
type Action = (typeof ACTIONS)[number]

type Options = { [action in Action]?: string } & { id?: string; json?: boolean }

interface Target {
  action: Action
  /** Id of the earlier message. */
  id: string
}

/** `send`: sends one message from the command line or from stdin. */
export function sendCommand(program: Command, io: Io): void {
  const command = program
    .command('send')
    .description('send a message to a user or a group')
    .argument('<to>', 'username (or @username), or a group’s id or name')
    .argument('[text]', 'the message; read from stdin if it is missing')
  for (const option of actionOptions()) command.addOption(option)
  addExamples(
    command
      .option('--id <uuid>', 'id of this message; sending the same id again does nothing', uuid)
      .option('--json', 'print its id, conversationId, position and sentAt')
      .action(async (to: string, text: string | undefined, options: Options) => {
        const target = targetOf(options)
        const body = await bodyFrom(io, text, target?.action)
        // Chosen before the first try, so that a second try sends the same message.
        const id = options.id ?? crypto.randomUUID()
        await withChat(io, program.opts<GlobalOptions>(), (chat) =>
          send(io, chat, { to, body, target, id, json: options.json === true })
        )
      }),
    'send bob "See you at nine."',
    'make test 2>&1 | secure-chat send ops',
    'send @bob -- "--text that begins with dashes"',
    'send bob --retract 0198c6f5-0000-4000-8000-000000000001'
  )
}

function actionOptions(): Option[] {
  const texts: Record<Action, string> = {
    reply: 'id of the message that this one answers',
    edit: 'id of your message whose text this one replaces',
    react: 'id of the message that this one reacts to; an empty text takes a reaction back',
    retract: 'id of your message to take back; it is hidden on devices that know of it'
  }
  return ACTIONS.map((action) =>
    new Option(`--${action} <id>`, texts[action])
      .argParser(uuid)
      .conflicts(ACTIONS.filter((other) => other !== action))
  )
}

function targetOf(options: Options): Target | undefined {
  const action = ACTIONS.find((one) => options[one] !== undefined)
  return action && { action, id: options[action]! }
}

async function bodyFrom(io: Io, text: string | undefined, action: Action | undefined): Promise<string> {
  if (action === 'retract') {
    if (text === undefined) return ''
    throw new UsageError('A message that takes another one back has no text.')
  }
  const body = text ?? (await textFromStdin(io))
  if (body.trim() === '' && action !== 'react') throw new UsageError('The message is empty.')
  return body
}

interface Message {
  to: string
  body: string
  target: Target | undefined
  id: string
  json: boolean
}

async function send(io: Io, chat: ChatClient, { to, body, target, id, json }: Message): Promise<void> {
  try {
    const recipient =
      target === undefined ? await resolveRecipient(chat, to) : await findConversation(chat, to)
    const content = await contentFor(chat, recipient, body, target)
    const sent = await chat.send(addressOf(recipient), content, { id })
    for (const username of staleMembers(recipient))
      printToStderr(
        io,
        `${sanitize(username)} has a new identity and cannot read this until an admin renews the membership. ` +
          `See "secure-chat group info ${sanitize(to)}".`
      )
    if (json) printJson(io, sent)
    else if (io.stderr.isTTY === true) printToStderr(io, 'Sent.')
  } catch (error) {
    if (mayPass(error) || (await chat.isQueued(id).catch(() => false)))
      printToStderr(
        io,
        `The message may not have arrived. To try again without sending it twice, add: --id ${id}`
      )
    if (error instanceof ChatError && error.code === 'message-too-large')
      throw new UsageError(error.message, TOO_LONG)
    throw error
  }
}

async function contentFor(
  chat: ChatClient,
  recipient: Recipient,
  text: string,
  target: Target | undefined
): Promise<Content> {
  if (target === undefined || !('id' in recipient)) return { type: 'text', text }
  const { id, digest, own } = await findMessage(chat, recipient.id, target.id)
  if (!own && (target.action === 'edit' || target.action === 'retract'))
    throw new UsageError(`Message ${id} is not yours: nobody would apply this.`)
  const ref = { id, digest }
  switch (target.action) {
    case 'reply':
      return { type: 'text', text, ref }
    case 'edit':
      return { type: 'edit', text, ref }
    case 'react':
      return { type: 'reaction', text, ref }
    case 'retract':
      return { type: 'retract', ref }
  }
}

/** Members of a group who have reset. A direct conversation is renewed with the message. */
function staleMembers(recipient: Recipient): string[] {
  if (!('id' in recipient) || recipient.kind !== 'group') return []
  return recipient.members.filter(({ stale }) => stale).map(({ username }) => username)
}
