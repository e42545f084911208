import { dictionary } from '@zxcvbn-ts/language-common'

let common: Set<string> | null = null

/** Whether a password is among the common ones, in any case, or is the username itself. */
export function isCommonPassword(password: string, username: string): boolean {
  common ??= new Set(dictionary['passwords-common'].filter((word) => String(word).length >= 10).map(String))
  const folded = password.normalize('NFKC').toLowerCase()
  return folded === username || common.has(folded) || new Set(folded).size < 4
}
