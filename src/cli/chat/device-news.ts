import type { DeviceChange } from '../output/device-changes.js'

/** Changes that come after a time away, or while somebody moves to another device, come close together. */
const GATHER_MS = 2000

/** Gathers the changes of each user's devices, so that several make one line. */
export class DeviceNews {
  readonly #show: (changes: readonly DeviceChange[]) => void
  readonly #gathered = new Map<string, DeviceChange[]>()

  /** @param show is given changes of one user */
  constructor(show: (changes: readonly DeviceChange[]) => void) {
    this.#show = show
  }

  add(change: DeviceChange): void {
    // Every device renews its keys by itself some times a year.
    if (change.change === 'rekeyed') return
    const { username } = change
    const gathered = this.#gathered.get(username)
    if (gathered !== undefined) return void gathered.push(change)
    this.#gathered.set(username, [change])
    setTimeout(() => this.#tell(username), GATHER_MS).unref()
  }

  #tell(username: string): void {
    const changes = this.#gathered.get(username)!
    this.#gathered.delete(username)
    this.#show(changes)
  }
}
