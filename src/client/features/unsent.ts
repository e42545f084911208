import { ChatError } from '../errors.js'

/** A change stands. Anything that has to follow it, and can't be sent now, is sent with the next connection. */
export async function unlessUnsent(work: Promise<unknown>): Promise<void> {
  await work.catch((error: unknown) => {
    if (!(error instanceof ChatError)) throw error
  })
}
