import { readFileSync, readdirSync } from 'node:fs'
import { builtinModules } from 'node:module'
import { join, posix } from 'node:path'
import t from 'tap'
import ts from 'typescript'

/** Where the sources are, seen from `build/test`. */
const root = join(import.meta.dirname, '../..')

/** Who may import whom. The server lacks `crypto`, `client` and `cli`: what it cannot import it cannot decrypt. */
const mayImport: Record<string, string[]> = {
  protocol: [],
  crypto: ['protocol'],
  server: ['protocol'],
  client: ['protocol', 'crypto'],
  cli: ['protocol', 'client'],
  web: ['protocol', 'client']
}

/** What runs in browsers too, and so knows nothing of Node.js. */
const portable = ['protocol', 'crypto', 'client']

/** The client's one door to Node.js, and the store behind it. */
const nodeOnly = /^src\/client\/(node|stores\/file\/[a-z-]+)\.ts$/

/** The server's ground floor: what knows only the protocol. What stands in neither list is the first floor. */
const ground = ['config', 'logger', 'http', 'db', 'notifier']

/** The server's roof: what puts the parts together, so that no part may ask for it. */
const roof = ['app', 'index', 'main', 'scripts']

/** Whose business the process is: its arguments, environment, streams and end. */
const mayTouchProcess = [
  'src/server/main.ts',
  'src/server/scripts/write-openapi.ts',
  'src/server/scripts/run-migrations.ts',
  'src/cli/bin.ts'
]

/** Files that may be longer than `longest` lines, each with its reason. */
const longest = 250
const mayBeLong: Record<string, string> = {
  'src/server/db/schema.ts': 'every table on one page'
}

const { dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  dependencies: Record<string, string>
}

/** What a file of the source tree does that the house forbids, one line each. */
function faults(path: string, text: string): string[] {
  return [
    ...imports(text).map((name) => refusal(path, name)),
    usesProcess(path, text) && !mayTouchProcess.includes(path) && 'touches process',
    lines(text) > longest && !(path in mayBeLong) && `has ${lines(text)} lines, more than ${longest}`
  ]
    .filter((fault) => typeof fault === 'string')
    .map((fault) => `${path} ${fault}`)
}

/** What `text` imports, in whatever form: `import`, `import type`, `export … from`, `import('…')`, `require('…')`. */
function imports(text: string): string[] {
  return ts.preProcessFile(text, true, true).importedFiles.map((file) => file.fileName)
}

/** Why `path` may not import `name`; undefined if it may. */
function refusal(path: string, name: string): string | undefined {
  if (!name.startsWith('.')) return refusalOfPackage(path, name)
  const to = posix.join(posix.dirname(path), name).replace(/\.js$/, '.ts')
  const [here = '', there = ''] = [area(path), area(to)]
  if (!(here in mayImport)) return `lies in src/${here}, of which no rule speaks`
  if (!to.startsWith('src/')) return `leaves src: ${name}`
  if (here !== there && !mayImport[here]!.includes(there)) return `imports ${there}: ${name}`
  if (here === 'client' && nodeOnly.test(to) && !nodeOnly.test(path))
    return `imports what only Node.js has: ${name}`
  return here === 'server' && there === 'server' ? refusalInServer(path, to) : undefined
}

function refusalOfPackage(path: string, name: string): string | undefined {
  if (name.startsWith('node:')) return isPortable(path) ? `imports ${name}` : undefined
  if (builtinModules.includes(name)) return `imports ${name} without node:`
  const owner = name
    .split('/')
    .slice(0, name.startsWith('@') ? 2 : 1)
    .join('/')
  if (!(owner in dependencies)) return `imports ${owner}, which is no dependency`
  if (area(path) === 'protocol' && owner !== 'typebox') return `imports ${owner}`
  return undefined
}

function isPortable(path: string): boolean {
  return portable.includes(area(path)) && !nodeOnly.test(path)
}

/** Inside the server only upwards: ground floor, first floor, features that do not know each other, roof. */
function refusalInServer(path: string, to: string): string | undefined {
  if (floor(to) > floor(path)) return `imports what lies above it: ${to}`
  if (floor(path) === 2 && feature(path) !== feature(to) && floor(to) === 2) {
    return `imports another feature: ${feature(to)}`
  }
  return undefined
}

function lines(text: string): number {
  return text.trimEnd().split('\n').length
}

function area(path: string): string {
  return path.split('/')[1]!
}

function feature(path: string): string {
  return path.split('/')[3]!
}

function floor(path: string): number {
  const inside = path.replace(/^src\/server\//, '').replace(/\.ts$/, '')
  if (roof.includes(inside.split('/')[0]!)) return 3
  if (inside.startsWith('features/')) return 2
  return ground.includes(inside.split('/')[0]!) ? 0 : 1
}

function usesProcess(path: string, text: string): boolean {
  if (imports(text).some((name) => name === 'node:process' || name === 'process')) return true
  const visit = (node: ts.Node): boolean =>
    (ts.isPropertyAccessExpression(node) && isProcess(node.expression)) ||
    (ts.isElementAccessExpression(node) && isProcess(node.expression)) ||
    (ts.isVariableDeclaration(node) && node.initializer !== undefined && isProcess(node.initializer)) ||
    ts.forEachChild(node, visit) === true
  return visit(ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true))
}

function isProcess(node: ts.Node): boolean {
  return (
    /^(globalThis\.)?process$/.test(node.getText()) &&
    ts.findAncestor(node, hasProcessForParameter) === undefined
  )
}

function hasProcessForParameter(node: ts.Node): boolean {
  return (
    ts.isFunctionLike(node) && node.parameters.some((parameter) => parameter.name.getText() === 'process')
  )
}

t.test('Every file of src imports only what its place in the house allows', async (t) => {
  const paths = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
    .map((path) => `src/${path.replaceAll('\\', '/')}`)
    .filter((path) => path.endsWith('.ts'))
    .sort()
  t.ok(paths.length > 0)
  t.strictSame(
    paths.flatMap((path) => faults(path, readFileSync(join(root, path), 'utf8'))),
    []
  )
  for (const path of Object.keys(mayBeLong))
    t.ok(lines(readFileSync(join(root, path), 'utf8')) > longest, path)
})

t.test('The check finds what is forbidden', async (t) => {
  const forbidden: [path: string, text: string, fault: string][] = [
    ['src/server/app.ts', "import { unwrap } from '../crypto/wrap.js'", 'imports crypto: ../crypto/wrap.js'],
    ['src/server/app.ts', "const { a } = await import('../client/a.js')", 'imports client: ../client/a.js'],
    ['src/server/main.ts', "export * from '../cli/run.js'", 'imports cli: ../cli/run.js'],
    ['src/protocol/ids.ts', "import { randomUUID } from 'node:crypto'", 'imports node:crypto'],
    ['src/crypto/keys.ts', "import { createHash } from 'node:crypto'", 'imports node:crypto'],
    ['src/client/transport/http.ts', "import { request } from 'node:http'", 'imports node:http'],
    [
      'src/client/client.ts',
      "import { FileStore } from './node.js'",
      'imports what only Node.js has: ./node.js'
    ],
    ['src/protocol/ids.ts', "import fastify from 'fastify'", 'imports fastify'],
    [
      'src/protocol/ids.ts',
      "import { Db } from '../server/db/index.js'",
      'imports server: ../server/db/index.js'
    ],
    [
      'src/client/a.ts',
      "import { Db } from '../server/db/index.js'",
      'imports server: ../server/db/index.js'
    ],
    ['src/cli/run.ts', "import { wrap } from '../crypto/wrap.js'", 'imports crypto: ../crypto/wrap.js'],
    ['src/crypto/a.ts', "import t from '../../test/support/a.js'", 'leaves src: ../../test/support/a.js'],
    ['src/odd/a.ts', "import './b.js'", 'lies in src/odd, of which no rule speaks'],
    ['src/server/db/database.ts', "import fs from 'fs'", 'imports fs without node:'],
    ['src/server/db/database.ts', "import t from 'tap'", 'imports tap, which is no dependency'],
    ['src/crypto/a.ts', "import x from '@a/b/c'", 'imports @a/b, which is no dependency'],
    [
      'src/server/features/messages/routes.ts',
      "import { x } from '../presence/queries.js'",
      'imports another feature: presence'
    ],
    [
      'src/server/db/database.ts',
      "import type { Entry } from '../log/entry.js'",
      'imports what lies above it: src/server/log/entry.ts'
    ],
    [
      'src/server/log/append.ts',
      "import { x } from '../features/messages/queries.js'",
      'imports what lies above it: src/server/features/messages/queries.ts'
    ],
    [
      'src/server/features/messages/routes.ts',
      "import { build } from '../../app.js'",
      'imports what lies above it: src/server/app.ts'
    ],
    ['src/server/config.ts', 'export const port = process.env.PORT', 'touches process'],
    ['src/server/config.ts', "export const port = process['env'].PORT", 'touches process'],
    ['src/server/config.ts', 'const { env } = globalThis.process', 'touches process'],
    ['src/server/config.ts', "import { env } from 'node:process'", 'touches process'],
    ['src/server/config.ts', 'a()\n'.repeat(longest + 1), `has ${longest + 1} lines, more than ${longest}`]
  ]
  for (const [path, text, fault] of forbidden) t.strictSame(faults(path, text), [`${path} ${fault}`], fault)
})

t.test('The check leaves alone what is allowed', async (t) => {
  const allowed: [path: string, text: string][] = [
    ['src/protocol/ids.ts', "import Type from 'typebox'\nimport { x } from './x.js'"],
    ['src/client/client.ts', "import { seal } from '../crypto/messages.js'"],
    ['src/client/stores/file/store.ts', "import { open } from 'node:fs/promises'\nimport './journal.js'"],
    ['src/server/app.ts', "import { messages } from './features/messages/routes.js'"],
    [
      'src/server/features/messages/routes.ts',
      "import { append } from '../../log/append.js'\nimport './queries.js'"
    ],
    [
      'src/server/log/append.ts',
      "import { Db } from '../db/index.js'\nimport { setTimeout } from 'node:timers/promises'"
    ],
    ['src/server/main.ts', 'process.exit(1)'],
    ['src/server/log/append.ts', 'list.some((process) => process.id === id)'],
    [
      'src/server/log/append.ts',
      "// process.env\nconst text = 'process.env', pid = message.process.pid, o = { process: 1 }"
    ],
    ['src/crypto/a.ts', "// import x from '../server/a.js'\nconst text = \"import x from '../server/a.js'\""],
    ['src/crypto/a.ts', 'a()\n'.repeat(longest)]
  ]
  for (const [path, text] of allowed) t.strictSame(faults(path, text), [], path)
})
