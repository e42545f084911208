import type {
  ConversationChange,
  NewConversation,
  NewSessionKey,
  NewWraps
} from '../../src/protocol/conversations.js'
import { statementHash } from '../../src/crypto/statements.js'
import type { NewMessage } from '../../src/protocol/messages.js'
import type { SignedStatement } from '../../src/protocol/schema.js'
import { empty, FakeProblem, json, page, problem } from './fake-answers.js'
import { FakeConversation, type FakeKey } from './fake-conversation.js'
import { history, keyFor, memberPage, roster, shown } from './fake-conversation-views.js'
import { TIME } from './fake-user.js'
import type { FakeRequest, FakeWorld } from './fake-world.js'

/** Conversations with their chains, keys and messages. */
export async function conversationRoutes(
  world: FakeWorld,
  request: FakeRequest
): Promise<Response | undefined> {
  const { method, path, body, username, deviceId } = request
  if (path.startsWith('/v1/conversations') && deviceId === null) throw new FakeProblem('device-required')
  if (method === 'GET' && path === '/v1/conversations')
    return page(
      [...world.conversations.values()]
        .filter(({ members }) => members.has(username!))
        .map((one) => shown(world, one, username!))
    )
  if (method === 'POST' && path === '/v1/conversations')
    return create(world, body as NewConversation, username!)
  const [, id, rest = ''] = /^\/v1\/conversations\/([^/]+)(?:\/(.*))?$/.exec(path) ?? []
  if (id === undefined) return undefined
  const conversation = world.conversations.get(id)
  const isReading = method === 'GET' ? /^(?:chain|session-keys\/.+)$/.test(rest) : rest.endsWith('/wraps')
  const isIn = conversation?.members.has(username!) === true
  if (conversation === undefined || !(isIn || (isReading && conversation.left.has(username!))))
    throw new FakeProblem('conversation-not-found')
  return inConversation(world, conversation, request, rest)
}

async function create(world: FakeWorld, body: NewConversation, username: string): Promise<Response> {
  const { id, statements, key } = body
  const known = world.conversations.get(id)
  const conversation = known ?? new FakeConversation(id)
  if (!(await conversation.append(statements, key, world.users)))
    return json({ conversation: shown(world, conversation, username) })
  const { kind } = conversation.chain
  const twin = [...world.conversations.values()].find(
    (other) => kind !== 'group' && isTwin(other, conversation)
  )
  if (twin !== undefined)
    throw new FakeProblem(kind === 'self' ? 'self-exists' : 'direct-exists', { conversationId: twin.id })
  world.conversations.set(id, conversation)
  const items = [...statements, key.statement]
  const position = world.log.append(conversation.members.keys(), 'conversation.created', {
    conversationId: id,
    kind,
    items
  })
  moved(conversation, position)
  return json({ conversation: shown(world, conversation, username) }, 201)
}

async function inConversation(
  world: FakeWorld,
  conversation: FakeConversation,
  request: FakeRequest,
  rest: string
): Promise<Response | undefined> {
  const { method, query, body, username, deviceId } = request
  const [, keyId, wraps] = /^session-keys\/([^/]+)(\/wraps)?$/.exec(rest) ?? []
  if (keyId !== undefined) {
    const key = conversation.keys.find(({ id }) => id === keyId)
    if (key === undefined) throw new FakeProblem('session-key-not-found')
    if (wraps !== undefined) share(world, conversation, key, body as NewWraps, username!)
    const own = keyFor(key, deviceId!)
    if (own === null) throw new FakeProblem('session-key-not-found')
    return json({ sessionKey: own }, wraps === undefined ? 200 : 201)
  }
  switch (`${method} ${rest}`.trim()) {
    case 'GET':
      return json({ conversation: shown(world, conversation, username!) })
    case 'GET members':
      return page(memberPage(conversation))
    case 'GET chain': {
      const left = conversation.left.get(username!)
      const seen = conversation.statements.slice(0, left?.statements)
      const head = left === undefined ? conversation.head : await statementHash(seen.at(-1)!.text)
      const { lastPosition } = left ?? conversation
      return json({ head, lastPosition, items: seen.slice(Number(query.get('after') ?? 0)), next: null })
    }
    case 'POST acceptance':
      return empty()
    case 'POST chain':
      return change(world, conversation, body as ConversationChange, request)
    case 'POST session-keys':
      return change(world, conversation, { statements: [], key: body as NewSessionKey }, request)
    case 'GET roster':
      return json(roster(world, conversation, Number(query.get('cursor') ?? 0)))
    case 'GET session-keys':
      return page([...conversation.keys].reverse().flatMap((key) => keyFor(key, deviceId!) ?? []))
    case 'GET messages':
      return json(history(conversation, query))
    case 'POST messages':
      return send(world, conversation, body as NewMessage, request)
    case 'POST messages/batch': {
      const { messages } = body as { messages: NewMessage[] }
      const items = []
      for (const message of messages)
        items.push(await outcome(send(world, conversation, message, request), message.id))
      return json({ items })
    }
  }
  return undefined
}

async function change(
  world: FakeWorld,
  conversation: FakeConversation,
  { statements, key }: { statements: readonly SignedStatement[]; key?: NewSessionKey | undefined },
  { headers }: FakeRequest
): Promise<Response> {
  const before = [...conversation.members.keys()]
  const after = conversation.chain.sequence
  const match = headers.get('if-match')
  if (match !== null && match !== `"${conversation.head}"`) return stale(conversation, after)
  try {
    if (await conversation.append(statements, key, world.users)) {
      const { sequence } = conversation.chain
      const items = conversation.statements.slice(after)
      const data = { conversationId: conversation.id, sequence, items }
      const lastPosition = world.log.append(
        new Set([...before, ...conversation.members.keys()]),
        'conversation.chain',
        data
      )
      moved(conversation, lastPosition)
      for (const member of before)
        if (!conversation.members.has(member))
          conversation.left.set(member, { statements: sequence, lastPosition })
      for (const member of conversation.members.keys()) conversation.left.delete(member)
    }
  } catch (error) {
    if ((error as { code?: string }).code !== 'stale-chain') throw error
    const first = (statements[0] ?? key!.statement).text
    return stale(conversation, Number(/^sequence (.*)$/m.exec(first)![1]) - 1)
  }
  const { head, statements: all, lastPosition } = conversation
  return json({ head, sequence: all.length, lastPosition }, 201)
}

function stale(conversation: FakeConversation, after: number): Response {
  const { head, statements } = conversation
  return problem('stale-chain', { head, statements: statements.slice(after) })
}

async function send(
  { log, users }: FakeWorld,
  conversation: FakeConversation,
  message: NewMessage,
  { username, deviceId }: FakeRequest
): Promise<Response> {
  const known = conversation.messages.find(({ id }) => id === message.id)
  if (known !== undefined) return json(receipt(known))
  if (message.key !== conversation.key.hash || conversation.rekeyRequired(users))
    throw new FakeProblem('rekey-required')
  const { id: userId } = users.get(username!)!
  const data = {
    ...message,
    conversationId: conversation.id,
    sender: { userId, username: username!, deviceId: deviceId! },
    createdAt: TIME
  }
  const position = log.append(conversation.members.keys(), 'message', data)
  conversation.messages.push({ ...data, position })
  moved(conversation, position)
  return json(receipt({ ...data, position }), 201)
}

async function outcome(sent: Promise<Response>, id: string): Promise<object> {
  try {
    const response = await sent
    return { id, status: response.status, receipt: await response.json() }
  } catch (error) {
    if (!(error instanceof FakeProblem)) throw error
    const response = problem(error.code, error.members)
    return { id, status: response.status, problem: await response.json() }
  }
}

function share(
  world: FakeWorld,
  conversation: FakeConversation,
  key: FakeKey,
  { wraps }: NewWraps,
  username: string
): void {
  for (const { deviceId, wrappedKey, statement } of wraps) {
    const [by] = Object.keys(statement.signatures)
    const others = (key.added.get(deviceId) ?? []).filter(({ statement }) => !(by! in statement.signatures))
    key.added.set(deviceId, [...others, { wrappedKey, statement }])
  }
  const deviceIds = wraps.map(({ deviceId }) => deviceId)
  world.log.append([username], 'session-key.shared', {
    conversationId: conversation.id,
    sessionKeyId: key.id,
    deviceIds
  })
}

function isTwin(one: FakeConversation, other: FakeConversation): boolean {
  const lines = ({ chain }: FakeConversation) =>
    [chain.kind, ...[...chain.members].map(([name, { root }]) => name + root).sort()].join()
  return lines(one) === lines(other)
}

function moved(conversation: FakeConversation, position: number): void {
  conversation.lastPosition = position
  for (const username of conversation.members.keys())
    if (!conversation.joined.has(username)) conversation.joined.set(username, position)
}

function receipt({ id, position, createdAt }: { id: string; position: number; createdAt: string }): object {
  return { id, position, createdAt }
}
