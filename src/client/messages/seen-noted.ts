import { withEntry, withoutEntry } from './seen-page.js'

/** Messages that were checked and are not written down yet. An index may be dropped and read again: these may not. */
export class NotedMessages {
  /** By the names of the pages that they will be on. */
  readonly #pages = new Map<string, Uint8Array>()

  add(page: string, n: number, entry: Uint8Array): void {
    this.#pages.set(page, withEntry(this.#pages.get(page), n, entry))
  }

  delete(name: string, n: number): void {
    const page = this.#pages.get(name)
    if (page === undefined) return
    const left = withoutEntry(page, n)
    if (left.some((byte) => byte !== 0)) this.#pages.set(name, left)
    else this.#pages.delete(name)
  }

  /** The pages whose names begin so. */
  pages(prefix: string): [name: string, page: Uint8Array][] {
    return [...this.#pages].filter(([name]) => name.startsWith(prefix))
  }

  clear(): void {
    this.#pages.clear()
  }
}
