/** The items of all pages, each page when it is asked for. */
export async function* allOf<T>(
  read: (range: { cursor?: string; limit: number }) => Promise<{ items: T[]; next: string | null }>
): AsyncGenerator<T> {
  let range: { cursor?: string; limit: number } = { limit: 200 }
  for (;;) {
    const { items, next } = await read(range)
    yield* items
    if (next === null) return
    range = { ...range, cursor: next }
  }
}

/** As many as are wanted. */
export async function take<T>(items: AsyncIterable<T>, most: number): Promise<T[]> {
  const found: T[] = []
  for await (const item of items) if (found.push(item) >= most) break
  return found
}
