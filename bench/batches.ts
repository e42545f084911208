import { randomBytes, randomUUID } from 'node:crypto'
import pg from 'pg'
import { MESSAGE_BYTES, type ServerBench } from './bench.js'
import { median } from './load/percentile.js'
import { uuidV7 } from './load/uuid-v7.js'

const BATCH = 100
const CLIENTS = 4

/** Messages in batches of 100, compared with bare PostgreSQL: the same rows, indexes and clients. */
export async function batches(bench: ServerBench): Promise<void> {
  const { owner, pg: postgres, load, quick, report } = bench
  const { port, tokens, conversations } = await bench.senders()
  const raw = await rawInserts(await postgres.newDatabase())
  owner.teardown(() => raw.close())
  const plan = { port, tokens, conversations, bytes: MESSAGE_BYTES, connections: CLIENTS, batch: BATCH }
  const measureMs = quick ? 500 : 3000
  await load('closedLoop', { ...plan, warmUpMs: 0, measureMs: quick ? 300 : 1000 })
  const rounds: { ours: number; raw: number; p50: number }[] = []
  for (let round = 0; round < bench.rounds; round++) {
    const { perSecond, p50 } = await load('closedLoop', { ...plan, warmUpMs: 250, measureMs })
    rounds.push({ ours: perSecond, raw: await raw.perSecond(measureMs), p50 })
  }
  report({
    name: `batches of ${BATCH}, ${CLIENTS} clients : PostgreSQL itself`,
    value: median(rounds.map(({ ours }) => ours)),
    unit: '/s',
    baseline: median(rounds.map(({ raw }) => raw)),
    ratio: median(rounds.map(({ ours, raw }) => ours / raw)),
    target: { of: 'ratio', atLeast: 0.6 }
  })
  report({ name: 'a batch answered, p50', value: median(rounds.map(({ p50 }) => p50)), unit: 'ms' })
}

async function rawInserts(connectionString: string) {
  const clients = await Promise.all(
    Array.from({ length: CLIENTS }, async () => {
      const client = new pg.Client({ connectionString })
      await client.connect()
      return client
    })
  )
  await clients[0]!.query(`create table raw_events (
    position bigserial primary key, type text not null default 'message', conversation_id uuid not null,
    created_at timestamptz not null default now(), message_id uuid not null unique, sender_id uuid not null,
    sender_device_id uuid not null, session_key_id uuid not null, iv bytea not null, ciphertext bytea not null,
    signature bytea not null);
    alter table raw_events alter ciphertext set storage external;
    create index on raw_events (conversation_id, position)`)
  const text = `insert into raw_events (message_id, conversation_id, sender_id, sender_device_id, session_key_id, iv,
      ciphertext, signature)
    select id, conversation_id, sender_id, device_id, key_id, decode(iv, 'base64'), decode(ciphertext, 'base64'),
      decode(signature, 'base64')
    from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::uuid[], $6::text[], $7::text[], $8::text[])
      as r(id, conversation_id, sender_id, device_id, key_id, iv, ciphertext, signature)
    returning position, created_at`
  const [conversation, sender, device, key] = Array.from({ length: 4 }, () => randomUUID())
  const column = (value: () => string) => Array.from({ length: BATCH }, value)
  const fixed = [conversation, sender, device, key].map((id) => column(() => id!))
  const bytes = [12, MESSAGE_BYTES, 64].map((size) => column(() => randomBytes(size).toString('base64')))

  return {
    async perSecond(measureMs: number): Promise<number> {
      const since = performance.now()
      let rows = 0
      const insert = async (client: pg.Client) => {
        while (performance.now() - since < measureMs) {
          await client.query({ name: 'raw', text, values: [column(uuidV7), ...fixed, ...bytes] })
          rows += BATCH
        }
      }
      await Promise.all(clients.map(insert))
      return (rows / (performance.now() - since)) * 1000
    },
    close: () => Promise.all(clients.map((client) => client.end()))
  }
}
