import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { ChatClient } from '../client/index.js'
import { profileOf, type GlobalOptions } from './profile.js'
import { formatTime } from './terminal/format.js'
import { printToStderr, type Io } from './terminal/io.js'
import { sanitizeLines } from './terminal/sanitize.js'

/**
 * Show what the operator of the server tells all users, once for each notice. Nobody signs it: the server can say
 * what it likes there.
 */
export async function showNotice(io: Io, options: GlobalOptions, chat: ChatClient): Promise<void> {
  const { notice } = await chat.server().catch(() => ({ notice: null }))
  if (notice === null) return
  const file = join(profileOf(io, options).folder, 'notice')
  const id = `${notice.at}\n`
  if ((await readFile(file, 'utf8').catch(() => '')) === id) return
  printToStderr(
    io,
    `From the operator of the server, ${formatTime(notice.at)}: ${sanitizeLines(notice.text)}`
  )
  await writeFile(file, id, { mode: 0o600 })
}
