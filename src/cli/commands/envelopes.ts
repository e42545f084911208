import type { Command } from 'commander'
import type { ChatClient, Content } from '../../client/index.js'
import { EXIT, ExitError, UsageError } from '../errors.js'
import { addExamples } from '../help.js'
import { findMessage } from '../message-ref.js'
import { printToStderr, printJson, type Io } from '../terminal/io.js'
import { serverUrl, type GlobalOptions } from '../profile.js'
import { addressOf, resolveRecipient, type Recipient } from '../recipient.js'
import { eventJson } from '../output/messages.js'
import { withChat } from '../with-chat.js'
import { jsonFromStdin, textFromStdin } from '../terminal/stdin.js'

/** `seal` and `open`: encrypt and decrypt messages for people who make the HTTP requests themselves. */
export function envelopeCommands(program: Command, io: Io): void {
  sealCommand(program, io)
  openCommand(program, io)
}

interface SealOptions {
  content?: boolean
  id?: string
  json?: boolean
}

function sealCommand(program: Command, io: Io): void {
  addExamples(
    program
      .command('seal')
      .summary('encrypt a message from stdin without sending it')
      .description(
        'Encrypt a message from stdin and print it as the body of POST /v1/conversations/{id}/messages.\n' +
          'Post it before you send anything else in this conversation: its place in the order is taken. If it is ' +
          'never posted, its receivers see that a message was withheld.'
      )
      .argument('<to>', 'a user, or a group by its id or name')
      .option(
        '--content',
        'stdin is a JSON object with a type, such as a reaction, instead of a text; its ref may be an id only'
      )
      .option('--id <uuid>', 'id of the message')
      .option('--json', 'print conversationId, path and message instead of the message only')
      .action(async (to: string, { content, id, json }: SealOptions) => {
        const options = program.opts<GlobalOptions>()
        const text = await textFromStdin(io)
        const given = content === true ? parseContent(text) : text
        const { conversationId, message } = await withChat(io, options, async (chat) => {
          const recipient = await resolveRecipient(chat, to)
          const complete = typeof given === 'string' ? given : await withRef(chat, recipient, given)
          return chat.seal(addressOf(recipient), complete, id === undefined ? {} : { id })
        })
        const path = `/v1/conversations/${conversationId}/messages`
        if (json === true) return printJson(io, { conversationId, path, message })
        printJson(io, message)
        printToStderr(io, `Post it to ${(await serverUrl(io, options)).replace(/\/+$/, '')}${path}`)
      }),
    'seal bob < letter.txt > body.json',
    'seal ops --json <<< "disk is full" | jq .path',
    `seal bob --content <<< '{"type":"reaction","ref":"0198c6f5-…","text":"👍"}'`
  )
}

function openCommand(program: Command, io: Io): void {
  addExamples(
    program
      .command('open')
      .summary('verify and decrypt messages from stdin')
      .description(
        'Verify and decrypt messages from stdin, in JSON as the server serves it: a message, a list or a page of ' +
          'messages. Stdin holds one such value on each line, or a single one over many lines. Prints lines like ' +
          '"history --json". The exit code is 1 if a message cannot be read.'
      )
      .action(async () => {
        const messages = messagesFrom(jsonFromStdin(io.stdin))
        let next: IteratorResult<unknown, void> | undefined
        let unread = 0
        const work = async (chat: ChatClient) => {
          // After another log-in `work` runs again. The value that was read from stdin is kept for it.
          while (!(next ??= await messages.next()).done) {
            for (const item of await chat.open(next.value)) {
              printJson(io, eventJson(item))
              if (item.type === 'unreadable') unread++
            }
            next = undefined
          }
        }
        await withChat(io, program.opts<GlobalOptions>(), work)
        if (unread === 0) return
        printToStderr(
          io,
          unread === 1 ? 'A message could not be read.' : `${unread} messages could not be read.`
        )
        throw new ExitError(EXIT.refused)
      }),
    'open < message.json',
    'curl -sH @token "$SECURE_CHAT_URL/v1/conversations/$ID/messages" | secure-chat open | jq -r .body'
  )
}

/** Content from a person, whose `ref` may be the id of a message only. */
type GivenContent = Record<string, unknown>

function parseContent(text: string): GivenContent {
  let content: unknown
  try {
    content = JSON.parse(text)
  } catch {
    content = null
  }
  if (typeof content === 'object' && content !== null) return content as GivenContent
  throw new UsageError('Stdin is not a JSON object.', 'A content looks like {"type":"text","text":"Hello"}.')
}

/** The content with the whole `ref`. `seal` checks the rest. */
async function withRef(chat: ChatClient, recipient: Recipient, content: GivenContent): Promise<Content> {
  const { ref } = content
  if (typeof ref !== 'string') return content as Content
  const { id } = 'id' in recipient ? recipient : await chat.conversations.direct(recipient.username)
  const { digest } = await findMessage(chat, id, ref)
  return { ...content, ref: { id: ref, digest } } as Content
}

/** The messages in values: each value is a message, a list of messages or a page with `items`. */
async function* messagesFrom(values: AsyncIterable<unknown>): AsyncGenerator<unknown, void, undefined> {
  for await (const value of values) {
    const items = Array.isArray(value) ? value : (value as { items?: unknown } | null)?.items
    if (Array.isArray(items)) yield* items
    else yield value
  }
}
