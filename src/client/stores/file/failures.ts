import { ChatError } from '../../errors.js'

export async function orUnreadable<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (cause) {
    if (cause instanceof ChatError) throw cause
    throw new ChatError(
      'store',
      'store-unreadable',
      `The key store ${path} cannot be read: ${reason(cause)}.`,
      { cause }
    )
  }
}

export function unwritable(path: string, cause: unknown): ChatError {
  if (cause instanceof ChatError) return cause
  return new ChatError(
    'store',
    'store-unwritable',
    `The key store ${path} cannot be written: ${reason(cause)}.`,
    { cause }
  )
}

function reason(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause)
}
