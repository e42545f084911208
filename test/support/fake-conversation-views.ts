import type { FakeConversation, FakeKey } from './fake-conversation.js'
import { TIME } from './fake-user.js'
import type { FakeWorld } from './fake-world.js'

/** The key as one device gets it; null if it was not wrapped for the device. */
export function keyFor({ id, statement, wraps, added }: FakeKey, deviceId: string): object | null {
  const wrappedKey = wraps.get(deviceId)
  const later = added.get(deviceId) ?? []
  if (wrappedKey === undefined && later.length === 0) return null
  return { id, statement, ...(wrappedKey !== undefined && { wrappedKey }), added: later, createdAt: TIME }
}

export function history({ messages, deleted }: FakeConversation, query: URLSearchParams): object {
  const before = Number(query.get('before') ?? Infinity)
  const after = Number(query.get('after') ?? 0)
  const page = <T extends { position: number }>(all: readonly T[]): T[] => {
    const found = all.filter(({ position }) => position < before && position > after)
    return query.has('after') ? found : found.reverse()
  }
  return { items: page(messages), deleted: page(deleted), next: null }
}

/** Members on a page of the roster: as on the real server, no page is long. */
const ROSTER_PAGE = 300

/** @param from the members before it were on earlier pages */
export function roster(world: FakeWorld, conversation: FakeConversation, from: number): object {
  const to = from + ROSTER_PAGE
  const { head, key } = conversation
  return {
    head,
    sequence: conversation.statements.length,
    sessionKeyId: key.id,
    key: key.hash,
    rekeyRequired: conversation.rekeyRequired(world.users),
    members: [...conversation.members].slice(from, to).map(([username, { role, root }]) => {
      const user = world.requireUser(username)
      const chain = { sequence: user.statements.length, head: user.head }
      return { username, role, root, chain, devices: user.root === root ? user.active : [] }
    }),
    next: to < conversation.members.size ? String(to) : null
  }
}

export function shown(world: FakeWorld, conversation: FakeConversation, username: string): object {
  const { kind, messageTtl } = conversation.chain
  const { id, head, key, statements } = conversation
  return {
    id,
    kind,
    role: conversation.members.get(username)?.role ?? 'member',
    memberCount: conversation.members.size,
    members: memberPage(conversation).slice(0, 50),
    head,
    sequence: statements.length,
    sessionKeyId: key.id,
    key: key.hash,
    rekeyRequired: conversation.rekeyRequired(world.users),
    messageTtl,
    request: null,
    lastPosition: conversation.lastPosition,
    createdAt: TIME
  }
}

export function memberPage({ members, joined }: FakeConversation): object[] {
  return [...members].map(([username, { role, root }]) => ({
    username,
    role,
    root,
    joinedAt: joined.get(username) ?? 0
  }))
}
