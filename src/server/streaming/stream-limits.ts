import { Problem } from '../http/problem.js'
import type { OpenStream } from './open-stream.js'

export interface StreamBounds {
  maxOpen: number
  maxPerNetwork: number
  maxPerUser: number
  maxPerDevice: number
}

/** How many streams are open, in all and from each network, and which one gives way to another. */
export class StreamLimits {
  readonly #bounds: StreamBounds
  readonly #byNetwork = new Map<string, number>()
  count = 0

  constructor(bounds: StreamBounds) {
    this.#bounds = bounds
  }

  /**
   * Make sure that a stream may be added. One too many of a device or user takes the place of the oldest: a client
   * whose connections vanished comes back at once.
   *
   * @param ofUser the streams of its user, the oldest first
   * @throws {Problem} `too-many-streams`, `too-many-requests` for too many of one network
   */
  requireCapacity(next: Pick<OpenStream, 'session' | 'network'>, ofUser: readonly OpenStream[]): void {
    const { maxOpen, maxPerNetwork } = this.#bounds
    const replaced = this.#toReplace(next.session.deviceId, ofUser)
    const open = this.count - (replaced === undefined ? 0 : 1)
    if (open >= maxOpen) throw new Problem('too-many-streams')
    const ofNetwork = this.#ofNetwork(next.network) - (replaced?.network === next.network ? 1 : 0)
    if (ofNetwork >= maxPerNetwork)
      throw new Problem(
        'too-many-requests',
        `Your network has ${maxPerNetwork} open streams, and no more are allowed. There is room when one ends.`
      )
    replaced?.end('replaced')
  }

  #toReplace(deviceId: string | null, ofUser: readonly OpenStream[]): OpenStream | undefined {
    const { maxPerUser, maxPerDevice } = this.#bounds
    const ofDevice = ofUser.filter(({ session }) => session.deviceId === deviceId)
    if (ofDevice.length >= maxPerDevice) return ofDevice[0]
    return ofUser.length >= maxPerUser ? (ofDevice[0] ?? ofUser[0]) : undefined
  }

  add({ network }: OpenStream): void {
    this.count++
    this.#byNetwork.set(network, this.#ofNetwork(network) + 1)
  }

  remove({ network }: OpenStream): void {
    this.count--
    const left = this.#ofNetwork(network) - 1
    if (left > 0) this.#byNetwork.set(network, left)
    else this.#byNetwork.delete(network)
  }

  #ofNetwork(network: string): number {
    return this.#byNetwork.get(network) ?? 0
  }
}
