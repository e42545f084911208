import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { ChatClient } from '../../src/client/client.js'
import { Backup } from '../../src/client/features/backup.js'
import { Contacts } from '../../src/client/features/contacts.js'
import { Conversations } from '../../src/client/features/conversations.js'
import { Devices } from '../../src/client/features/devices.js'
import { Invitations } from '../../src/client/features/invitations.js'
import { Reports } from '../../src/client/features/reports.js'
import { Requests } from '../../src/client/features/requests.js'
import { Sessions } from '../../src/client/features/sessions.js'
import { Users } from '../../src/client/features/users.js'
import * as sdk from '../../src/client/index.js'

const page = readFileSync(join(import.meta.dirname, '../../../docs/sdk.md'), 'utf8')
const rows = page.split('## All calls')[1]!.split('\n')

const parts: Readonly<Record<string, { prototype: object }>> = {
  backup: Backup,
  contacts: Contacts,
  conversations: Conversations,
  devices: Devices,
  invitations: Invitations,
  reports: Reports,
  requests: Requests,
  sessions: Sessions,
  users: Users
}

/** Calls that the parts of the client make of each other. */
const INTERNAL = ['devices.resume', 'backup.fetch', 'backup.resume', 'requests.acceptToSend']

t.test('The list of the SDK names every call', (t) => {
  for (const [part, { prototype }] of Object.entries(parts)) {
    const own = rows.filter((row) => row.includes(`chat.${part}.`)).join('\n')
    for (const name of Object.getOwnPropertyNames(prototype))
      if (name !== 'constructor' && !INTERNAL.includes(`${part}.${name}`))
        t.match(own, `.${name}(`, `chat.${part}.${name}`)
  }
  for (const name of Object.getOwnPropertyNames(ChatClient.prototype))
    if (name !== 'constructor') t.match(rows.join('\n'), new RegExp(`chat\\.${name}\\b`), `chat.${name}`)
  for (const name of Object.keys(sdk).filter((name) => /^[a-z]/.test(name)))
    t.match(rows.join('\n'), `\`${name}(`, name)
  t.end()
})

t.test('The list of the SDK names no call that does not exist', (t) => {
  const named = rows.flatMap((row) => {
    const [, part] = /chat\.([a-z]+)\.[a-z]/.exec(row) ?? []
    return part === undefined
      ? []
      : [...row.matchAll(/\.([a-zA-Z]+)\(/g)].map(([, name]) => [part, name!] as const)
  })
  t.ok(named.length > 25)
  for (const [part, name] of named) t.ok(name in parts[part]!.prototype, `chat.${part}.${name}`)
  t.end()
})
