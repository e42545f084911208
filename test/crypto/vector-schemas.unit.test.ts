import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { Check, Compile } from 'typebox/schema'
import { vectors } from '../support/vectors.js'

const folder = join(import.meta.dirname, '../../../test/vectors')
const names = (path: string, ending: string): string[] =>
  readdirSync(path)
    .filter((name) => name.endsWith(ending))
    .map((name) => name.slice(0, -ending.length))

/** The schema of a file of vectors. */
const schemaOf = (name: string): object =>
  JSON.parse(readFileSync(join(folder, `schemas/${name}.schema.json`), 'utf8')) as object

t.test('Each file of vectors is of version 1 and fits its schema', async (t) => {
  const described = names(join(folder, 'schemas'), '.schema.json')
  for (const name of described) {
    const [fits, errors] = Compile(schemaOf(name)).Errors(vectors(name))
    t.ok(fits, name, { errors: errors.slice(0, 5) })
    t.match(vectors(name), { version: 1 }, name)
  }
  for (const name of names(folder, '.json')) t.ok(described.includes(name), `${name} has a schema`)
})

t.test(
  'A schema refuses fields that it does not name, another version, and a case without a result',
  async (t) => {
    const wraps = vectors<{ cases: Record<string, unknown>[] }>('wraps')
    const schema = schemaOf('wraps')
    const { key, ...incomplete } = wraps.cases[0]!
    t.ok(Check(schema, { ...wraps, cases: [{ ...incomplete, key }] }))
    t.notOk(Check(schema, { ...wraps, version: 2 }))
    t.notOk(Check(schema, { ...wraps, other: 1 }))
    t.notOk(Check(schema, { ...wraps, cases: [incomplete] }))
    t.notOk(Check(schema, { ...wraps, cases: [{ ...incomplete, key, other: 1 }] }))
  }
)
