import t from 'tap'
import { openReport } from '../../src/client/features/reports.js'
import type { ReportContent } from '../../src/client/types/content.js'
import { importSigningKey } from '../../src/crypto/keys.js'
import { failure } from '../support/chat-clients.js'
import { vectors } from '../support/vectors.js'

type Case = Pick<ReportContent, 'message' | 'messageKey'> & {
  title: string
  by: string
  content?: object
  refused?: string
}
const { keys, cases } = vectors<{ keys: Record<string, string>; cases: Case[] }>('reports')

t.test('A report opens one message of one device in one conversation, and nothing else', async (t) => {
  for (const { title, by, content, refused, ...report } of cases) {
    const opened = openReport(report, by, await importSigningKey(keys[by]!))
    if (refused === undefined) t.strictSame((await opened).content, content, title)
    else t.match(await failure(opened), { kind: 'untrusted', code: refused }, title)
  }
})
