import type { Postgres } from '../test/support/postgres.js'
import type { Owner } from '../test/support/server-process.js'
import type { Load } from './load-generator.js'
import type { Figure } from './report.js'

/** What a section of the benchmark works with. */
export interface Bench {
  quick: boolean
  report: (figure: Figure) => void
}

/** What a section works with that measures servers. What it starts ends with its owner. */
export interface ServerBench extends Bench {
  owner: Owner
  pg: Postgres
  load: Load
}

/** Bytes of ciphertext of every message: a sentence or two, and a signed envelope's worth of room. */
export const MESSAGE_BYTES = 700
