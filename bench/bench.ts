import type { Postgres } from '../test/support/postgres.js'
import type { Scope } from '../test/support/server-process.js'
import type { Load } from './load-generator.js'
import type { Figure } from './report.js'
import type { Target } from './servers.js'

/** What a section of the benchmark works with. */
export interface Bench {
  quick: boolean
  /** How often things that are compared are measured by turns; of the rounds the medians count. */
  rounds: number
  report: (figure: Figure) => void
}

/** What a section works with that measures servers. What it starts ends with its owner. */
export interface ServerBench extends Bench {
  owner: Scope
  pg: Postgres
  load: Load
  /** Our server on PostgreSQL with eight users who send: one for all sections if it has to be quick. */
  senders: () => Promise<Target>
}

/** Bytes of ciphertext of every message: a sentence or two, and a signed envelope's worth of room. */
export const MESSAGE_BYTES = 700
