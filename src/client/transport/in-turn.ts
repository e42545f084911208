import { ChatError, type ChatErrorKind } from '../errors.js'

/** After these nothing else can go on either. */
const FINAL: ReadonlySet<ChatErrorKind> = new Set(['unreachable', 'logged-out', 'store'])

/** Do one piece of work after the other, also after one that has failed. @throws the first error, at the end */
export async function inTurn(pieces: readonly (() => Promise<unknown>)[]): Promise<void> {
  const errors: unknown[] = []
  for (const piece of pieces)
    await piece().catch((error: unknown) => {
      if (!(error instanceof ChatError) || FINAL.has(error.kind)) throw error
      errors.push(error)
    })
  if (errors.length > 0) throw errors[0]
}
