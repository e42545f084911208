import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { folder } from './actors.js'
import { attachmentVectors } from './attachments.js'
import { backupVectors } from './backups.js'
import { chainVectors } from './chains.js'
import { messageVectors } from './messages.js'
import { safetyNumberVectors } from './safety-numbers.js'
import { sessionKeyVectors } from './session-keys.js'
import { statementVectors } from './statements.js'

/**
 * Writes the vectors again: npm run build && node build/test/vectors/make/main.js (see
 * test/vectors/README.md).
 */
const vectors = {
  statements: await statementVectors(),
  chains: await chainVectors(),
  'session-keys': await sessionKeyVectors(),
  messages: await messageVectors(),
  attachments: await attachmentVectors(),
  backups: await backupVectors(),
  'safety-numbers': await safetyNumberVectors()
}
for (const [name, content] of Object.entries(vectors))
  writeFileSync(join(folder, `${name}.json`), `${JSON.stringify(content, null, 2)}\n`)
