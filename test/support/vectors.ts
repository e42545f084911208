import { readFileSync } from 'node:fs'
import { join } from 'node:path'

const folder = join(import.meta.dirname, '../../../test/vectors')

/** The content of `<name>.json` in `test/vectors`, which see. */
export function vectors<Content>(name: string): Content {
  return JSON.parse(readFileSync(join(folder, `${name}.json`), 'utf8')) as Content
}

/** The groups of a file of Wycheproof's in `test/vectors/wycheproof`, which see. */
export function wycheproof<Group>(name: string): Group[] {
  return vectors<{ testGroups: Group[] }>(`wycheproof/${name}`).testGroups
}
