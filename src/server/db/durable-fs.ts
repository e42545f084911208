import type { PGlite, postgresMod } from '@electric-sql/pglite'
import { NodeFS } from '@electric-sql/pglite/nodefs'

/** Makes what was written to an open file last: `fs.fsyncSync`, or a stand-in that counts. */
export type Fsync = (fd: number) => void

export interface DurableFsHooks {
  fsync: Fsync
  /** PostgreSQL has started the next file of its write-ahead log (16 MiB each). */
  onWalSegment: () => void
  /** PostgreSQL has aborted (a PANIC). It must not be called again: the call would never return. */
  onAbort: () => void
}

type EmscriptenOptions = Partial<postgresMod.PostgresMod>

/** The part of NODEFS that is used here; PGlite's published types leave it out. */
interface NodeFsModule {
  NODEFS: {
    /** Turns an error of Node.js into the errno that PostgreSQL understands. */
    tryFSOperation: (operation: () => void) => void
    stream_ops: { fsync?: (stream: { nfd: number; path: string }) => number }
  }
}

/**
 * PGlite's folder on disk, with the fsync that its `NodeFS` lacks: without it `fsync()` succeeds and does
 * nothing.
 */
export class DurableFs extends NodeFS {
  readonly #hooks: DurableFsHooks
  #segment: string | undefined

  constructor(folder: string, hooks: DurableFsHooks) {
    super(folder)
    this.#hooks = hooks
  }

  override async init(
    pg: PGlite,
    options: EmscriptenOptions
  ): Promise<{ emscriptenOpts: EmscriptenOptions }> {
    const { emscriptenOpts } = await super.init(pg, options)
    const preRun = (mod: object) => this.#addFsync(mod as NodeFsModule)
    return {
      emscriptenOpts: {
        ...emscriptenOpts,
        onAbort: this.#hooks.onAbort,
        preRun: [...(emscriptenOpts.preRun ?? []), preRun]
      }
    }
  }

  #addFsync({ NODEFS }: NodeFsModule): void {
    NODEFS.stream_ops.fsync = ({ nfd, path }) => {
      NODEFS.tryFSOperation(() => this.#hooks.fsync(nfd))
      const segment = /\/pg_wal\/([0-9A-F]{24})$/.exec(path)?.[1]
      if (segment !== undefined && segment !== this.#segment) {
        this.#segment = segment
        this.#hooks.onWalSegment()
      }
      return 0
    }
  }
}
