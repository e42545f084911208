import type { BackupStatus } from '../client/index.js'
import { formatTime } from './terminal/format.js'

/** What to do if the backup restores nothing. */
export const MAKE_BACKUP = 'Make one: secure-chat backup create'

const UNUSABLE = {
  none: 'There is no backup.',
  revoked:
    'The backup restores nothing any more: its recovery key was revoked, or you have begun again with a new identity.',
  unfinished: 'Nobody has seen the code of the backup: the program was interrupted while it made it.',
  unreadable: 'The backup restores nothing: it is damaged, or another version of the program has made it.'
}

/** Whether the backup restores the account, in words. */
export function describeBackup(status: BackupStatus): string {
  if (!status.usable) return UNUSABLE[status.reason]
  const { kind, createdAt } = status
  const made = createdAt === '' ? 'There is a backup' : `There is a backup of ${formatTime(createdAt)}`
  return kind === 'passphrase'
    ? `${made}. Only the passphrase that you chose then opens it.`
    : `${made}. Only the code that you were shown then opens it.`
}
