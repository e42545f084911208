import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import ts from 'typescript'

const root = join(import.meta.dirname, '../..')

interface Manifest {
  version: string
  license: string
  engines: object
  dependencies: Record<string, string>
}

function manifest(folder: string): Manifest {
  return JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8')) as Manifest
}

/** The packages that the files of a folder import. */
function packagesOf(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .flatMap((name) => ts.preProcessFile(readFileSync(join(root, folder, name), 'utf8')).importedFiles)
    .map(({ fileName }) => fileName)
    .filter((name) => !name.startsWith('.') && !name.startsWith('node:'))
    .map((name) => /^(@[^/]+\/)?[^/]+/.exec(name)![0])
}

const server = manifest('.')
const client = manifest('packages/client')

t.test('Both packages have the same version, license and engines', (t) => {
  const facts = ({ version, license, engines }: Manifest) => ({ version, license, engines })
  t.strictSame(facts(client), facts(server))
  t.end()
})

t.test('The client depends on what its files import, in the versions that the repository tests', (t) => {
  const folders = ['client', 'crypto', 'node', 'protocol']
  const names = new Set(folders.flatMap((folder) => packagesOf(join('src', folder))))
  const expected = Object.fromEntries([...names].map((name) => [name, server.dependencies[name]]))
  t.same(client.dependencies, expected)
  t.end()
})
