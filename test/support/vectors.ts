import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/** The groups of a file of Wycheproof's in `test/vectors/wycheproof`, which see. */
export function wycheproof<Group>(name: string): Group[] {
  const path = join(import.meta.dirname, '../../../test/vectors/wycheproof', `${name}.json`)
  return (JSON.parse(readFileSync(path, 'utf8')) as { testGroups: Group[] }).testGroups
}
