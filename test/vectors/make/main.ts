import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { folder } from './actors.js'

/**
 * Writes the vectors again, all or those that are named (see test/vectors/README.md): npm run build && node
 * build/test/vectors/make/main.js [name…]
 */
const make: Record<string, () => Promise<object>> = {
  group: async () => (await import('./group.js')).groupVectors(),
  statements: async () => (await import('./statements.js')).statementVectors(),
  'user-chains': async () => (await import('./user-chains.js')).userChainVectors(),
  'conversation-chains': async () => (await import('./conversation-chains.js')).conversationChainVectors(),
  wraps: async () => (await import('./wraps.js')).wrapVectors(),
  messages: async () => (await import('./messages.js')).messageVectors(),
  reports: async () => (await import('./reports.js')).reportVectors(),
  attachments: async () => (await import('./attachments.js')).attachmentVectors(),
  backups: async () => (await import('./backups.js')).backupVectors(),
  'safety-numbers': async () => (await import('./safety-numbers.js')).safetyNumberVectors(),
  'device-logins': async () => (await import('./device-logins.js')).deviceLoginVectors(),
  invitations: async () => (await import('./invitations.js')).invitationVectors(),
  'link-numbers': async () => (await import('./link-numbers.js')).linkNumberVectors()
}
const names = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(make)
for (const name of names) {
  const content = { version: 1, ...(await make[name]!()) }
  writeFileSync(join(folder, `${name}.json`), `${JSON.stringify(content, null, 2)}\n`)
}
