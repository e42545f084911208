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

/** The file that every build makes with esbuild of a compiled one. */
function bundleOf(compiled: string): string {
  const all = server.scripts['bundle']!.matchAll(/ (\S+)=build\/(\S+)\.js/g)
  const [, made] = [...all].find(([, , entry]) => entry === compiled)!
  return `build/src/${made!}.js`
}

t.test('`npm start` waits for the server and the command line to be compiled, and for no tests', (t) => {
  const { start, prestart, ...scripts } = server.scripts
  const [, name] = /^npm run --silent (\S+)$/.exec(prestart!)!
  const [, project] = /^tsc --build (\S+) /.exec(scripts[name!]!)!
  const files = filesOf(join(root, project!))
  t.equal(start, `node ${bundleOf('src/server/bin')}`)
  for (const needed of ['src/server/bin', 'src/cli/bin', 'src/server/scripts/pack-new-database'])
    t.ok(files.includes(`${needed}.ts`), `${needed}.ts`)
  t.strictSame(
    files.filter((name) => !name.startsWith('src/')),
    []
  )
  t.end()
})

t.test('The programs that are installed are those that every build makes', (t) => {
  const { bundle, build, 'build:server': ofServer, 'after-tsc': after } = server.scripts
  t.match(bundle, ' --outdir=build/src ')
  const program = bundleOf('src/cli/bin')
  t.strictSame(server.bin, { 'secure-chat': program })
  t.strictSame(server.imports, { '#server': `./${bundleOf('src/server/bin')}` })
  t.equal(join(root, program), PROGRAM)
  t.match(after, /^npm run --silent bundle && /)
  for (const script of [build, ofServer]) t.match(script, / && npm run --silent after-tsc$/)
  t.end()
})
