import { SortedMap } from '../sorted-map.js'
import type { LineChange } from './line.js'
import type { Span } from './records.js'
import type { Json } from './values.js'

/** The entries of a journal, and where their secrets lie in the file. */
export class Entries {
  readonly values = new SortedMap<Json>()
  readonly #secrets = new Map<string, Span>()
  /** Where secrets lie that no entry has any more. */
  #outdated: Span[] = []
  readonly #unreadable = new Set<string>()

  /** @param offset of the change's line in the file */
  apply({ name, value, secret, isReadable }: LineChange, offset: number): void {
    const outdated = this.#secrets.get(name)
    if (outdated !== undefined) this.#outdated.push(outdated)
    if (secret === null) this.#secrets.delete(name)
    else this.#secrets.set(name, { at: offset + secret.at, size: secret.size })
    if (isReadable) this.#unreadable.delete(name)
    else this.#unreadable.add(name)
    if (value === undefined) this.values.delete(name)
    else this.values.set(name, value)
  }

  /** Whether each entry has its value: none has a secret that was damaged, or is just being erased. */
  get areWhole(): boolean {
    return this.#unreadable.size === 0
  }

  /** The parts of the file that are to be erased. */
  get outdated(): readonly Span[] {
    return this.#outdated
  }

  forgetOutdated(): void {
    this.#outdated = []
  }
}
