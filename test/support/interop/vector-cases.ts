import type { Test } from 'tap'
import { Refused } from './refused.js'

/** A case of a file in test/vectors: it is refused, or gives what the file says. */
export type Case<More> = { readonly title: string; readonly refused?: string } & More

/** The answer, or that it was refused. An error of another kind fails the test. */
export function answer<T>(work: () => T): T | 'refused' {
  try {
    return work()
  } catch (error) {
    if (error instanceof Refused) return 'refused'
    throw error
  }
}

/** Each case must be refused, or give what is expected. */
export function judge<C extends Case<object>>(
  t: Test,
  cases: readonly C[],
  work: (one: C) => unknown,
  expected: (one: C) => unknown
): void {
  t.ok(cases.length > 0)
  for (const one of cases)
    t.strictSame(
      answer(() => work(one)),
      one.refused === undefined ? expected(one) : 'refused',
      one.title
    )
}

export const knownKeys = (keys: Readonly<Record<string, string>>) => new Map(Object.entries(keys))
