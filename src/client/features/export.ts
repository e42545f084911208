import { ChatError, untrusted } from '../errors.js'
import type { Api } from '../transport/api.js'
import { readLines } from '../transport/lines.js'
import { LINES_TYPE } from '../transport/response.js'
import type { ExportedRecord } from '../types/own-account.js'

/**
 * All that the server holds on the user, in its own words. The caller may take as much time as it likes for each.
 *
 * @throws {ChatError} `broken-stream` (`unreachable`) if it ends before it is complete
 */
export async function* readExport(
  api: Api,
  timeout: number
): AsyncGenerator<ExportedRecord, void, undefined> {
  const request = {
    method: 'GET',
    path: '/v1/users/me/export',
    headers: { accept: 'application/x-ndjson' }
  } as const
  const { response, close } = await api.open(request, LINES_TYPE)
  try {
    for await (const line of readLines(response.body!, timeout, api.closed)) {
      const record = parsed(line)
      if (record.kind === 'end') return
      yield record
    }
    throw new ChatError('unreachable', 'broken-stream', 'The export ended before it was complete.')
  } finally {
    close()
  }
}

function parsed(line: string): ExportedRecord {
  try {
    const record = JSON.parse(line) as { kind?: unknown } | null
    if (typeof record?.kind === 'string') return record as ExportedRecord
  } catch {
    // Told below.
  }
  throw untrusted('malformed-answer', 'A line of the export is not what it must be.')
}
