import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { randomUUID } from 'node:crypto'
import fastify from 'fastify'
import pg from 'pg'
import { namedSchemas } from '../src/protocol/named-schemas.js'
import type { App } from '../src/server/http/app.js'
import { buildApp } from '../src/server/app.js'
import { readConfig } from '../src/server/config.js'
import { WindowCounter } from '../src/server/access/window-counter.js'
import { messageRoutes } from '../src/server/features/messages/routes.js'
import type { StoredResult } from '../src/server/log/group-commit.js'
import type { OutgoingMessage } from '../src/server/log/message.js'
import type { Log } from '../src/server/log/index.js'
import { createLogger } from '../src/server/logger.js'
import { openServices, type Services } from '../src/server/services.js'
import { buildValidator } from '../src/server/http/validation.js'

/** Servers to compare ours with, each in its own process. They store nothing, or not as a server should. */
const standIns = {
  /** The whole app with JWT and session look-up, but a send is answered without a database. */
  floor: (env) => wholeApp(env, () => answerAtOnce),
  /** The whole app with one INSERT per message through a pool, and without the checks of a real send. */
  insert: (env) => wholeApp(env, insertEach),
  /** The route and its schemas on a plain Fastify: no token, no session, no plugins, no database. */
  bare: () => bareRoute(),
  /** Answers everything at once: shows the ceiling of the load generator. */
  sink: () => sink()
} satisfies Record<string, (env: NodeJS.ProcessEnv) => Promise<number>>

export type StandIn = keyof typeof standIns

let position = 0
const answerAtOnce: Log['send'] = (messages) =>
  Promise.resolve(
    messages.map(() => ({ verdict: 'stored', position: ++position, createdAt: new Date().toISOString() }))
  )

async function wholeApp(
  env: NodeJS.ProcessEnv,
  makeSend: (url: string) => Log['send'] | Promise<Log['send']>
): Promise<number> {
  const config = readConfig(env)
  const services = await openServices(config, createLogger('warn'))
  const send = await makeSend(config.database.url!.reveal())
  const app = await buildApp({ ...services, log: { ...services.log, send } })
  await app.listen({ host: '127.0.0.1', port: 0 })
  return (app.server.address() as AddressInfo).port
}

async function insertEach(url: string): Promise<Log['send']> {
  const pool = new pg.Pool({ connectionString: url, max: 10 })
  await pool.query(`create table each_message (
    position bigserial primary key, created_at timestamptz not null default now(), message_id uuid not null unique,
    conversation_id uuid not null, sender_id uuid not null, sender_device_id uuid not null,
    session_key_id uuid not null, iv bytea not null, ciphertext bytea not null, signature bytea not null)`)
  await pool.query('create index on each_message (conversation_id, position)')
  const text = `insert into each_message (message_id, conversation_id, sender_id, sender_device_id, session_key_id,
    iv, ciphertext, signature) values ($1, $2, $3, $4, $5, decode($6, 'base64'), decode($7, 'base64'),
    decode($8, 'base64')) returning position, created_at`
  const insert = async (message: OutgoingMessage): Promise<StoredResult> => {
    const { id, conversationId, senderId, senderDeviceId, sessionKeyId, iv, ciphertext, signature } = message
    const values = [id, conversationId, senderId, senderDeviceId, sessionKeyId, iv, ciphertext, signature]
    const { rows } = await pool.query<{ position: string; created_at: Date }>({ name: 'each', text, values })
    const [row] = rows
    return { verdict: 'stored', position: Number(row!.position), createdAt: row!.created_at.toISOString() }
  }
  return (messages) => Promise.all(messages.map(insert))
}

async function bareRoute(): Promise<number> {
  const app: App = fastify({
    routerOptions: { maxParamLength: 128 },
    schemaController: { compilersFactory: { buildValidator } }
  })
  const session = {
    id: randomUUID(),
    userId: randomUUID(),
    username: 'bench',
    deviceId: randomUUID(),
    deviceActive: true,
    endsAt: Infinity
  }
  for (const schema of namedSchemas) app.addSchema(schema)
  app.decorateRequest('session', null)
  app.addHook('onRequest', (request, _reply, done) => {
    request.session = session
    done()
  })
  const attempts = { of: () => new WindowCounter({ max: Infinity, windowMs: Infinity }) }
  const services = { log: { send: answerAtOnce }, attempts } as unknown as Services
  await app.register(async (v1: App) => messageRoutes(v1, services), { prefix: '/v1' })
  await app.listen({ host: '127.0.0.1', port: 0 })
  return (app.server.address() as AddressInfo).port
}

function sink(): Promise<number> {
  const answer = Buffer.from(`HTTP/1.1 201 Created\r\ncontent-length: 120\r\n\r\n${' '.repeat(120)}`)
  const server = createServer({ noDelay: true }, (socket) => {
    socket.on('data', () => socket.write(answer))
    socket.on('error', () => undefined)
  })
  return new Promise((resolve) =>
    server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port))
  )
}

process.on('disconnect', () => process.exit())
process.send!(await standIns[process.argv[2] as StandIn](process.env))
