import {
  ChatError,
  type ChatClient,
  type CheckedReport,
  type IncomingMessage,
  type ReportContent
} from '../../client/index.js'
import { sanitize, sanitizeLines } from '../terminal/sanitize.js'
import { isForDevices } from './for-people.js'
import { contentText } from './messages.js'

type ReportMessage = IncomingMessage & { content: ReportContent }

export function isReport(event: { type: string }): event is ReportMessage {
  return event.type === 'message' && (event as IncomingMessage).content.type === 'report'
}

type Checked = { checked: CheckedReport; error: null } | { checked: null; error: ChatError }

async function check(chat: ChatClient, { content }: ReportMessage): Promise<Checked> {
  try {
    return { checked: await chat.reports.check(content), error: null }
  } catch (error) {
    if (error instanceof ChatError && error.kind !== 'unreachable') return { checked: null, error }
    throw error
  }
}

/** A report that was checked, for people: what is proven, and what an admin can do. */
export async function reportText(chat: ChatClient, report: ReportMessage): Promise<string> {
  const { checked, error } = await check(chat, report)
  const name = sanitize(report.content.message.sender.username)
  const reason = report.content.reason === '' ? '' : ` Reason: ${sanitizeLines(report.content.reason)}`
  if (checked === null)
    return `(report about ${name}) It does not verify and proves nothing: ${sanitizeLines(error.message)}${reason}`
  const said = isForDevices(checked.content) ? '(nothing for people)' : contentText(checked.content)
  return `(report about ${name}, verified) ${said}${reason}\n${steps(checked)}`
}

function steps({ id, from }: CheckedReport): string {
  return `  secure-chat admin messages purge ${id}\n  secure-chat admin users suspend ${sanitize(from.username)}`
}

/** The same for scripts: `checked` is what is proven, or null, and then `error` says why. */
export async function reportJson(chat: ChatClient, report: ReportMessage): Promise<Record<string, unknown>> {
  const { checked, error } = await check(chat, report)
  return { checked, ...(error !== null && { error: { code: error.code, message: error.message } }) }
}
