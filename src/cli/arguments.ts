import { InvalidArgumentError } from 'commander'

/** A number of things, from `least` on, for Commander to parse. */
export function wholeNumber(least: number): (text: string) => number {
  return (text) => {
    const number = Number(text)
    if (/^\d{1,15}$/.test(text) && number >= least) return number
    throw new InvalidArgumentError(`It is a whole number from ${least} on.`)
  }
}
