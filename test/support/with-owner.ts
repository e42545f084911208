import type { Scope } from './server-process.js'

/** Work in which things are started that end with it, for programs that are no tests. */
export async function withOwner(work: (owner: Scope) => Promise<void>): Promise<void> {
  const undo: (() => unknown)[] = []
  try {
    await work({ teardown: (one) => undo.unshift(one) })
  } finally {
    for (const one of undo) await one()
  }
}
