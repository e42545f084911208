import type { Command } from 'commander'
import type { ChatClient, ChatEvent } from '../../client/index.js'
import { wholeNumber } from '../parsers.js'
import { addExamples } from '../help.js'
import { printAndWait, printToStderr, type Io } from '../terminal/io.js'
import { eventText } from '../output/event-text.js'
import type { GlobalOptions } from '../profile.js'
import { eventJson, messageLine } from '../output/messages.js'
import { sanitizedJson } from '../terminal/sanitize.js'
import { withChat } from '../with-chat.js'
import { TitleCache } from '../output/titles.js'

interface Options {
  json?: boolean
  events?: boolean
  count?: number
}

/** What scripts get unless they ask for every event: messages, and what should make one suspicious. */
const SCRIPT_EVENTS: readonly ChatEvent['type'][] = [
  ...(['message', 'unreadable', 'withheld', 'reordered', 'not-sent', 'untrusted'] as const),
  ...(['identity-changed', 'device-requested'] as const)
]
/** What people get only if they ask for it. */
const OPTIONAL_EVENTS: readonly ChatEvent['type'][] = ['presence', 'device-changed']

/** `listen`: messages as they come, from where the last `listen` was left. */
export function listenCommand(program: Command, io: Io): void {
  addExamples(
    program
      .command('listen')
      .description('show messages as they come, beginning with those since the last time; Ctrl-C ends it')
      .option('--json', 'one line of JSON each')
      .option('--events', 'show everything that happens, such as who comes online')
      .option('-n, --count <number>', 'end after so many messages', wholeNumber(1))
      .action((options: Options) => {
        let left = options.count ?? Infinity
        const isLast = (event: ChatEvent) => event.type === 'message' && --left === 0
        return withChat(io, program.opts<GlobalOptions>(), (chat) => listen(io, chat, options, isLast))
      }),
    'listen',
    `listen --json | jq --unbuffered -r 'select(.type == "text") | "\\(.from): \\(.body)"'`,
    'listen --json --count 1'
  )
}

async function listen(
  io: Io,
  chat: ChatClient,
  options: Options,
  isLast: (event: ChatEvent) => boolean
): Promise<void> {
  const abort = new AbortController()
  const show = options.json === true ? jsonLines(io, options) : textLines(io, chat, options)
  const connection = new ConnectionStatus(io)
  try {
    for await (const event of chat.events({ signal: AbortSignal.any([io.signal, abort.signal]) })) {
      // The one before counts as handled, since this one was asked for; this one comes again the next time.
      if (abort.signal.aborted) break
      connection.print(event)
      await show(event)
      if (isLast(event)) abort.abort()
    }
  } catch (error) {
    if (!io.signal.aborted) throw error
  }
}

function jsonLines(io: Io, { events }: Options): (event: ChatEvent) => Promise<void> {
  return async (event) => {
    if (events === true || SCRIPT_EVENTS.includes(event.type))
      await printAndWait(io, sanitizedJson(eventJson(event)))
  }
}

function textLines(io: Io, chat: ChatClient, { events }: Options): (event: ChatEvent) => Promise<void> {
  const titles = new TitleCache(chat)
  return async (event) => {
    if (event.type === 'connected' || event.type === 'disconnected') return
    if (OPTIONAL_EVENTS.includes(event.type) && events !== true) return
    await titles.update(event)
    if (event.type === 'message') {
      const { own, conversationId } = event
      const isPlain = titles.isDirect(conversationId) && !own
      return printAndWait(io, messageLine(event, isPlain ? undefined : titles.of(conversationId)))
    }
    const notice = eventText(event, (id) => titles.of(id))
    if (notice?.level === 'warning') printToStderr(io, `Warning: ${notice.text}`)
    else if (notice !== null) await printAndWait(io, `* ${notice.text}`)
  }
}

/** Says once that the connection stands, or is lost, however often it is tried. */
class ConnectionStatus {
  readonly #io: Io
  #isConnected: boolean | null = null

  constructor(io: Io) {
    this.#io = io
  }

  print({ type }: ChatEvent): void {
    if (type !== 'connected' && type !== 'disconnected') return
    const isConnected = type === 'connected'
    if (isConnected === this.#isConnected) return
    const again = this.#isConnected === null ? '' : ' again'
    printToStderr(
      this.#io,
      isConnected ? `Connected${again}.` : 'No connection to the server; trying again until there is.'
    )
    this.#isConnected = isConnected
  }
}
