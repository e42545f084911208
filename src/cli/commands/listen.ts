import type { Command } from 'commander'
import type { ChatClient, ChatEvent } from '../../client/index.js'
import { wholeNumber } from '../parsers.js'
import { addExamples } from '../help.js'
import { showNotice } from '../notice.js'
import { printAndWait, printJsonAndWait, printToStderr, type Io } from '../terminal/io.js'
import { eventText, lostConnection } from '../output/event-text.js'
import { forPeople, isForDevices } from '../output/for-people.js'
import type { GlobalOptions } from '../profile.js'
import { eventJson, messageLine } from '../output/messages.js'
import { isReport, reportJson, reportText } from '../output/reports.js'
import { withChat } from '../with-chat.js'
import { isWithOthers, TitleCache } from '../output/titles.js'

interface Options {
  json?: boolean
  events?: boolean
  count?: number
}

/** Events for scripts without --events, beside messages: whatever is suspicious, or waits for the user. */
const SCRIPT_EVENTS: readonly ChatEvent['type'][] = [
  'unreadable',
  'message-deleted',
  'withheld',
  'reordered',
  'not-sent',
  'untrusted',
  'identity-changed',
  'device-requested',
  'request',
  'invitation-accepted'
]
/** Events that people see only with --events. */
const OPTIONAL_EVENTS: readonly ChatEvent['type'][] = ['presence', 'device-changed']

/** `listen`: shows messages as they arrive, from where the last `listen` ended. */
export function listenCommand(program: Command, io: Io): void {
  addExamples(
    program
      .command('listen')
      .description('show messages as they arrive, starting with those since the last time; Ctrl-C ends it')
      .option('--json', 'print one line of JSON for each')
      .option('--events', 'show all events, such as who comes online')
      .option('-n, --count <number>', 'end after this many messages', wholeNumber(1))
      .action((options: Options) => {
        let left = options.count ?? Infinity
        const isLast = (event: ChatEvent) => isMessage(event) && --left === 0
        const all = program.opts<GlobalOptions>()
        const greet = (chat: ChatClient) => showNotice(io, all, chat)
        return withChat(io, all, (chat) => listen(io, chat, options, { isLast, greet }))
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
  { isLast, greet }: { isLast: (event: ChatEvent) => boolean; greet: (chat: ChatClient) => Promise<void> }
): Promise<void> {
  const abort = new AbortController()
  const show = options.json === true ? jsonLines(io, chat, options) : textLines(io, chat, options)
  const connection = new ConnectionStatus(io)
  try {
    for await (const event of chat.events({ signal: AbortSignal.any([io.signal, abort.signal]) })) {
      // Asking for this event has marked the one before as handled. This one comes again the next time.
      if (abort.signal.aborted) break
      connection.print(event)
      if (event.type === 'connected') await greet(chat)
      await show(event)
      if (isLast(event)) abort.abort()
    }
  } catch (error) {
    if (!io.signal.aborted) throw error
  }
}

function jsonLines(io: Io, chat: ChatClient, { events }: Options): (event: ChatEvent) => Promise<void> {
  return async (event) => {
    const isWanted = isMessage(event) || SCRIPT_EVENTS.includes(event.type)
    if (events !== true && !isWanted) return
    const report = isReport(event) ? await reportJson(chat, event) : {}
    await printJsonAndWait(io, { ...eventJson(event), ...report })
  }
}

function textLines(io: Io, chat: ChatClient, { events }: Options): (event: ChatEvent) => Promise<void> {
  const titles = new TitleCache(chat)
  return async (event) => {
    if (event.type === 'connected' || event.type === 'disconnected') return
    if (isOptional(event) && events !== true) return
    await titles.update(event)
    if (event.type === 'message') {
      const { own, conversationId } = event
      const isPlain = titles.isDirect(conversationId) && !own
      const name = isPlain ? undefined : titles.of(conversationId)
      for (const item of forPeople([event]))
        if (item.type === 'message') await printAndWait(io, messageLine(item, name))
      if (isReport(event)) await printAndWait(io, `* ${await reportText(chat, event)}`)
      return
    }
    const shown = eventText(event, { of: (id) => titles.of(id), me: chat.account!.username })
    if (shown?.level === 'warning') printToStderr(io, `Warning: ${shown.text}`)
    else if (shown !== null) await printAndWait(io, `* ${shown.text}`)
  }
}

/** Whether it is a message for people or their scripts. */
function isMessage(event: ChatEvent): boolean {
  return event.type === 'message' && !isForDevices(event.content)
}

function isOptional(event: ChatEvent): boolean {
  if (event.type === 'conversation') return !isWithOthers(event.conversation)
  return OPTIONAL_EVENTS.includes(event.type)
}

/** Prints when the connection is there, and when and why it is lost, but not each try. */
class ConnectionStatus {
  readonly #io: Io
  #isConnected = false
  #last = ''

  constructor(io: Io) {
    this.#io = io
  }

  print(event: ChatEvent): void {
    if (event.type !== 'connected' && event.type !== 'disconnected') return
    const again = this.#last === '' ? '' : ' again'
    const text = event.type === 'connected' ? `Connected${again}.` : lostConnection(event.error)
    const isNews = event.type === 'connected' ? !this.#isConnected : text !== this.#last
    if (isNews) printToStderr(this.#io, text)
    this.#last = text
    this.#isConnected = event.type === 'connected'
  }
}
