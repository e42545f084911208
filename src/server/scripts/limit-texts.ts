import { variables } from '../variables.js'

/** Numbers as the page of limits shows them. */

export const code = (name: string) => `\`${name}\``
export const number = (count: number) => count.toLocaleString('en')
export const value = (name: keyof typeof variables) =>
  `${code(name)} (${number(Number(variables[name].default))})`

export function bytes(count: number): string {
  return count % 2 ** 20 === 0 ? `${count / 2 ** 20} MiB` : `${count / 1024} KiB`
}

export function time(milliseconds: number): string {
  const [count, unit] =
    milliseconds % 3_600_000 === 0
      ? [milliseconds / 3_600_000, 'hour']
      : milliseconds % 60_000 === 0
        ? [milliseconds / 60_000, 'minute']
        : [milliseconds / 1000, 'second']
  return `${count} ${unit}${count === 1 ? '' : 's'}`
}
