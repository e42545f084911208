import fc from 'fast-check'

/** Numbers that a run of the model takes its choices from. */
export class Choices {
  readonly #numbers: readonly number[]
  #at = 0

  constructor(numbers: readonly number[]) {
    this.#numbers = numbers
  }

  get done(): boolean {
    return this.#at >= this.#numbers.length
  }

  /** A number below `bound`. */
  below(bound: number): number {
    return (this.#numbers[this.#at++] ?? 0) % bound
  }

  one<T>(list: readonly T[]): T {
    return list[this.below(list.length)]!
  }

  /** True once in `times`. */
  rarely(times: number): boolean {
    return this.below(times) === times - 1
  }
}

export const choices = fc.array(fc.nat({ max: 1_000_000 }), { minLength: 100, maxLength: 1500, size: 'max' })
