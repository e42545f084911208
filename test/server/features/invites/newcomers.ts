import type { Chat } from '../../../support/start-chat.js'
import type { Scope } from '../../../support/server-process.js'
import { cheapKeys } from '../../../support/bad-input.js'
import { InteropClient } from '../../../support/interop/client.js'
import { expect, problem, type Answer } from '../../../support/interop/http.js'
import { createInvite, type NewInvite } from '../../../../src/server/access/invites.js'

/** A device of somebody who has not registered yet. Its keys cost nothing. */
export async function newcomer(
  owner: Scope,
  { url }: Pick<Chat, 'url'>,
  name: string
): Promise<InteropClient> {
  const client = await InteropClient.create(url, name, { keys: cheapKeys() })
  owner.teardown(() => client.close())
  return client
}

/** The token of an operator's invitation. */
export async function operatorInvite({ services }: Chat, given: Partial<NewInvite> = {}): Promise<string> {
  const base = { createdBy: null, note: '', maxUses: 1, days: 1, kind: 'member', role: 'member' } as const
  return (await createInvite(services.db, { ...base, ...given })).token
}

export async function arrived(owner: Scope, chat: Chat, name: string, role: 'member' | 'admin' = 'member') {
  const client = await newcomer(owner, chat, name)
  expect(await client.register(await operatorInvite(chat, { role })), 201)
  return client
}

/** An answer as a status with the code of its problem. */
export const outcome = (answer: Answer<unknown>): string => `${answer.status} ${problem(answer)}`.trim()

/** How many register at once with one invitation, by what they are answered. */
export async function crowd(
  owner: Scope,
  chat: Chat,
  { many, maxUses }: { many: number; maxUses: number }
): Promise<Record<string, number>> {
  const token = await operatorInvite(chat, { maxUses })
  const clients = await Promise.all(
    Array.from({ length: many }, (_, at) => newcomer(owner, chat, `crowd-${at}`))
  )
  const outcomes = (await Promise.all(clients.map((client) => client.register(token)))).map(outcome)
  const counted: Record<string, number> = {}
  for (const one of outcomes) counted[one] = (counted[one] ?? 0) + 1
  return counted
}
