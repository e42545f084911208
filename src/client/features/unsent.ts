import { ChatError } from '../errors.js'

/** A change stands, whether or not what follows it can be sent now. Most of that is sent with the next connection. */
export async function unlessUnsent(work: Promise<unknown>): Promise<void> {
  await work.catch((error: unknown) => {
    if (!(error instanceof ChatError)) throw error
  })
}
