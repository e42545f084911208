import type { Command } from 'commander'
import type { ChatClient as Chat, ChatEvent } from '../../client/index.js'
import { wholeNumber } from '../parsers.js'
import { examples } from '../help.js'
import { deliver, note, type Io } from '../terminal/io.js'
import { noticeOf } from '../output/event-text.js'
import type { GlobalOptions } from '../profile.js'
import { eventJson, messageLine } from '../output/messages.js'
import { safeJson } from '../terminal/sanitize.js'
import { withSession } from '../with-chat.js'
import { Titles } from '../output/titles.js'

interface Options {
  json?: boolean
  events?: boolean
  count?: number
}

/** What scripts get unless they ask for every event: messages, and what should make one suspicious. */
const ALWAYS: readonly ChatEvent['type'][] = [
  ...(['message', 'unreadable', 'withheld', 'reordered', 'not-sent', 'untrusted'] as const),
  ...(['identity-changed', 'device-requested'] as const)
]
/** What people get only if they ask for it. */
const SELDOM: readonly ChatEvent['type'][] = ['presence', 'device-changed']

/** `listen`: messages as they come, from where the last `listen` was left. */
export function listenCommand(program: Command, io: Io): void {
  examples(
    program
      .command('listen')
      .description('show messages as they come, beginning with those since the last time; Ctrl-C ends it')
      .option('--json', 'one line of JSON each')
      .option('--events', 'show everything that happens, such as who comes online')
      .option('-n, --count <number>', 'end after so many messages', wholeNumber(1))
      .action((options: Options) => {
        let left = options.count ?? Infinity
        const isEnough = (event: ChatEvent) => event.type === 'message' && --left === 0
        return withSession(io, program.opts<GlobalOptions>(), (chat) => listen(io, chat, options, isEnough))
      }),
    'listen',
    `listen --json | jq --unbuffered -r 'select(.type == "text") | "\\(.from): \\(.body)"'`,
    'listen --json --count 1'
  )
}

async function listen(
  io: Io,
  chat: Chat,
  options: Options,
  isEnough: (event: ChatEvent) => boolean
): Promise<void> {
  const enough = new AbortController()
  const show = options.json === true ? jsonLines(io, options) : humanLines(io, chat, options)
  const connection = new ConnectionNotes(io)
  try {
    for await (const event of chat.events({ signal: AbortSignal.any([io.signal, enough.signal]) })) {
      // The one before counts as handled, since this one was asked for; this one comes again the next time.
      if (enough.signal.aborted) break
      connection.tell(event)
      await show(event)
      if (isEnough(event)) enough.abort()
    }
  } catch (error) {
    if (!io.signal.aborted) throw error
  }
}

function jsonLines(io: Io, { events }: Options): (event: ChatEvent) => Promise<void> {
  return async (event) => {
    if (events === true || ALWAYS.includes(event.type)) await deliver(io, safeJson(eventJson(event)))
  }
}

function humanLines(io: Io, chat: Chat, { events }: Options): (event: ChatEvent) => Promise<void> {
  const titles = new Titles(chat)
  return async (event) => {
    if (event.type === 'connected' || event.type === 'disconnected') return
    if (SELDOM.includes(event.type) && events !== true) return
    await titles.learn(event)
    if (event.type === 'message') {
      const { own, conversationId } = event
      const isPlain = titles.isDirect(conversationId) && !own
      return deliver(io, messageLine(event, isPlain ? undefined : titles.of(conversationId)))
    }
    const notice = noticeOf(event, (id) => titles.of(id))
    if (notice?.level === 'warning') note(io, `Warning: ${notice.text}`)
    else if (notice !== null) await deliver(io, `* ${notice.text}`)
  }
}

/** Says once that the connection stands, or is lost, however often it is tried. */
class ConnectionNotes {
  readonly #io: Io
  #stands: boolean | null = null

  constructor(io: Io) {
    this.#io = io
  }

  tell({ type }: ChatEvent): void {
    if (type !== 'connected' && type !== 'disconnected') return
    const stands = type === 'connected'
    if (stands === this.#stands) return
    const again = this.#stands === null ? '' : ' again'
    note(
      this.#io,
      stands ? `Connected${again}.` : 'No connection to the server; trying again until there is.'
    )
    this.#stands = stands
  }
}
