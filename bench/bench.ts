import type { Postgres } from '../test/support/postgres.js'
import type { Scope } from '../test/support/server-process.js'
import type { Load } from './load-generator.js'
import type { Figure } from './report.js'
import type { Target } from './servers.js'

/** Tools of a section. */
export interface Bench {
  quick: boolean
  /** How often the compared variants take turns. The median of the rounds counts. */
  rounds: number
  report: (figure: Figure) => void
}

/** Tools of a section that measures servers. Everything that it starts ends with `owner`. */
export interface ServerBench extends Bench {
  owner: Scope
  pg: Postgres
  load: Load
  /** Our server on PostgreSQL with eight senders. With `quick`, all sections share one. */
  senders: () => Promise<Target>
}

/** Size of each message's ciphertext: a sentence or two of text, with its envelope. */
export const MESSAGE_BYTES = 700
