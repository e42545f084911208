/**
 * A page of a list, out of rows of which there is one more if the list goes on.
 *
 * @param cursorOf the `next` of a page that ends with this row
 */
export function pageOf<Row, Item>(
  found: readonly Row[],
  limit: number,
  view: (row: Row) => Item,
  cursorOf: (last: Row) => string
): { items: Item[]; next: string | null } {
  const shown = found.slice(0, limit)
  return { items: shown.map(view), next: found.length > limit ? cursorOf(shown.at(-1)!) : null }
}
