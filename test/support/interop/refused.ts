/** What an honest client refuses. Any other error is a fault of the program. */
export class Refused extends Error {
  override readonly name = 'Refused'
}

/** @throws Refused unless the condition holds */
export function check(holds: boolean, why: string): asserts holds {
  if (!holds) throw new Refused(why)
}

/** @throws Refused if there is no value */
export function given<T>(value: T | undefined | null, why: string): T {
  if (value === undefined || value === null) throw new Refused(why)
  return value
}

/** Runs a primitive, whose failure is a refusal. */
export function refusing<T>(why: string, work: () => T): T {
  try {
    return work()
  } catch {
    throw new Refused(why)
  }
}
