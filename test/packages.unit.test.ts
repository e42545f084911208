import { readFileSync, readdirSync } from 'node:fs'
import { join, relative } from 'node:path'
import t from 'tap'
import ts from 'typescript'
import { PROGRAM } from './support/cli-process.js'

const root = join(import.meta.dirname, '../..')

interface Manifest {
  scripts: Record<string, string>
  version: string
  license: string
  engines: object
  dependencies: Record<string, string>
  bin?: Record<string, string>
  imports: Record<'#server', string>
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

/** The files that are compiled for a project, those of the projects that it refers to included. */
function filesOf(config: string): string[] {
  const { fileNames, projectReferences = [] } = ts.parseJsonConfigFileContent(
    ts.readConfigFile(config, (path) => readFileSync(path, 'utf8')).config,
    ts.sys,
    root
  )
  const names = fileNames.map((name) => relative(root, name))
  return [...names, ...projectReferences.flatMap(({ path }) => filesOf(path))]
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

/** The files that every build makes with esbuild, each with the compiled file that it begins with. */
const bundles = Object.fromEntries(
  [...server.scripts['bundle']!.matchAll(/ (\S+)=(\S+\.js)/g)].map(([, made, entry]) => [
    `build/src/${made!}.js`,
    entry!
  ])
)

t.test('`npm start` waits for the server and the command line to be compiled, and for no tests', (t) => {
  const { start, prestart, ...scripts } = server.scripts
  const [, name] = /^npm run --silent (\S+)$/.exec(prestart!)!
  const [, project] = /^tsc --build (\S+) /.exec(scripts[name!]!)!
  const files = filesOf(join(root, project!))
  const [, started] = /^node (\S+)$/.exec(start!)!
  const sourceOf = (compiled: string) => compiled.replace('build/', '').replace(/js$/, 'ts')
  for (const needed of [
    sourceOf(bundles[started!]!),
    'src/cli/bin.ts',
    'src/server/scripts/pack-new-database.ts'
  ])
    t.ok(files.includes(needed), needed)
  t.strictSame(
    files.filter((name) => !name.startsWith('src/')),
    []
  )
  t.end()
})

t.test('The programs that are installed are those that every build makes', (t) => {
  const { bundle, build, 'build:server': ofServer, 'after-tsc': after } = server.scripts
  t.match(bundle, ' --outdir=build/src ')
  t.ok(bundles[server.bin!['secure-chat']!])
  t.ok(bundles[server.imports['#server'].slice(2)])
  t.equal(join(root, server.bin!['secure-chat']!), PROGRAM)
  t.match(after, /^npm run --silent bundle && /)
  for (const script of [build, ofServer]) t.match(script, / && npm run --silent after-tsc$/)
  t.end()
})
