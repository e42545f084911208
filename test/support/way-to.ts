import { connect, createServer, type AddressInfo } from 'node:net'
import { pipeline, Transform, type TransformCallback } from 'node:stream'
import type { Scope } from './server-process.js'

/** Passes bytes on. Those that come while it is held follow later, in one piece. */
class Holdable extends Transform {
  #kept: Buffer[] | undefined
  #end: TransformCallback | undefined

  hold(): void {
    this.#kept = []
  }

  release(): void {
    if (this.#kept !== undefined && this.#kept.length > 0) this.push(Buffer.concat(this.#kept))
    this.#kept = undefined
    this.#end?.()
  }

  override _transform(bytes: Buffer, _encoding: string, done: TransformCallback): void {
    if (this.#kept === undefined) return done(null, bytes)
    this.#kept.push(bytes)
    done()
  }

  override _flush(done: TransformCallback): void {
    if (this.#kept === undefined) done()
    else this.#end = done
  }
}

/** A way over this machine to a server. */
export interface Way {
  readonly port: number
  /** From now on the answers on all its connections wait. */
  hold: () => void
  release: () => void
}

/** @param address of this machine, where the way begins */
export async function wayTo(owner: Scope, { hostname, port }: URL, address = '127.0.0.1'): Promise<Way> {
  const open = new Set<Holdable>()
  let isHeld = false
  const way = createServer((near) => {
    // Its last words come through after it has ended.
    const far = connect({ host: hostname, port: Number(port), allowHalfOpen: true })
    const answers = new Holdable()
    if (isHeld) answers.hold()
    open.add(answers)
    // Either ends with the other.
    pipeline(near, far, answers, near, () => open.delete(answers))
  })
  await new Promise<void>((resolve) => way.listen(0, address, resolve))
  owner.teardown(() => {
    way.close()
    for (const answers of open) answers.destroy()
  })
  return {
    port: (way.address() as AddressInfo).port,
    hold() {
      isHeld = true
      for (const answers of open) answers.hold()
    },
    release() {
      isHeld = false
      for (const answers of open) answers.release()
    }
  }
}
