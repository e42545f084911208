import { readFileSync, readdirSync } from 'node:fs'
import { builtinModules } from 'node:module'
import { join, posix } from 'node:path'
import t from 'tap'
import ts from 'typescript'

/** Where the sources are, seen from `build/test`. */
const root = join(import.meta.dirname, '../..')

/**
 * Which folder of `src` may import which. The server lacks `crypto`, `client` and `cli`: what it cannot
 * import it cannot decrypt.
 */
const mayImport: Record<string, string[]> = {
  protocol: [],
  node: [],
  crypto: ['protocol'],
  server: ['protocol', 'node'],
  client: ['protocol', 'crypto'],
  cli: ['protocol', 'client', 'node'],
  web: ['protocol', 'client']
}

/** Folders that run in browsers too, and so know nothing of Node.js. */
const portable = ['protocol', 'crypto', 'client']

/** The client's half for Node.js: one entry, and the store behind it. */
const nodeHalf = /^src\/client\/(node\.ts$|stores\/file\/)/

/** The client's entries: all that the command line may import of it. */
const clientEntries = ['src/client/index.ts', 'src/client/node.ts']

/**
 * The client's ladder: each folder imports only from those before it. Other files at the root stand above
 * all.
 */
const ladder = [
  ['errors', 'calls', 'types'],
  ['stores'],
  ['transport'],
  ['identity'],
  ['conversations'],
  ['session-keys'],
  ['messages'],
  ['outbox'],
  ['events'],
  ['features']
]

/** The server's floors, from the ground up. Features stand on the same floor and never import each other. */
const floors = [
  ['config', 'contradictions', 'environment', 'files', 'variables', 'logger', 'http', 'db', 'notifier'],
  ['access', 'chains', 'log', 'streaming'],
  ['services'],
  ['features'],
  ['app', 'admin-socket', 'index', 'bin', 'cluster', 'scripts']
]

/** Files that deal with the process: its arguments, environment, streams and end. */
const mayTouchProcess = [
  'src/server/bin.ts',
  'src/server/scripts/write-openapi.ts',
  'src/server/scripts/run-migrations.ts',
  'src/cli/bin.ts'
]

/** Only here is a path right that is relative to the code: the build makes one file of many (decision 35). */
const pathsBesideCode = 'src/server/files.ts'

/** Files that may be longer than `longest` lines, each with its reason. */
const longest = 250
const mayBeLong: Record<string, string> = {
  'src/server/db/schema.ts': 'every table on one page',
  'src/client/assemble.ts': 'every part of the client on one page',
  'src/client/client.ts': 'every public call with its description'
}

const { dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  dependencies: Record<string, string>
}

/** What a file of the source tree does that the rules forbid, one line each. */
function faults(path: string, text: string): string[] {
  return [
    ...imports(text).map((name) => refusal(path, name)),
    usesProcess(path, text) && !mayTouchProcess.includes(path) && 'touches process',
    /\bimport\.meta\.(url|dirname|filename)\b/.test(text) &&
      path !== pathsBesideCode &&
      `has a path relative to itself: it belongs to ${pathsBesideCode}`,
    lines(text) > longest && !(path in mayBeLong) && `has ${lines(text)} lines, more than ${longest}`
  ]
    .filter((fault) => typeof fault === 'string')
    .map((fault) => `${path} ${fault}`)
}

/** The modules that `text` imports, by `import`, `import type`, `export … from`, `import('…')` or `require('…')`. */
function imports(text: string): string[] {
  return ts.preProcessFile(text, true, true).importedFiles.map((file) => file.fileName)
}

/** The file that `path` imports as `name`. */
function target(path: string, name: string): string {
  return posix.join(posix.dirname(path), name).replace(/\.js$/, '.ts')
}

/** Why `path` may not import `name`; undefined if it may. */
function refusal(path: string, name: string): string | undefined {
  if (!name.startsWith('.')) return refusalOfPackage(path, name)
  const to = target(path, name)
  const [here, there] = [area(path), area(to)]
  if (!(here in mayImport)) return `lies in src/${here}, of which no rule speaks`
  if (!to.startsWith('src/')) return `leaves src: ${name}`
  if (here === 'client' && there === 'node' && nodeHalf.test(path)) return undefined
  if (here !== there && !mayImport[here]!.includes(there)) return `imports ${there}: ${name}`
  if (here !== there && there === 'client')
    return clientEntries.includes(to) ? undefined : `imports what the client does not export: ${to}`
  if (here === 'client' && there === 'client' && nodeHalf.test(to) && !nodeHalf.test(path))
    return `imports what only Node.js has: ${name}`
  if (here !== there) return undefined
  if (here === 'client' && level(ladder, to) > level(ladder, path)) return `imports what lies above it: ${to}`
  return here === 'server' ? refusalInServer(path, to) : undefined
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
  return portable.includes(area(path)) && !nodeHalf.test(path)
}

/**
 * Inside the server only upwards: ground floor, first floor, services, features that do not know each other,
 * the rest.
 */
function refusalInServer(path: string, to: string): string | undefined {
  if (level(floors, to) > level(floors, path)) return `imports what lies above it: ${to}`
  const [mine, other] = [feature(path), feature(to)]
  return mine !== undefined && other !== undefined && mine !== other
    ? `imports another feature: ${other}`
    : undefined
}

/**
 * The step of `steps` on which a file stands: by its folder, or by its own name. Past the last if no step
 * names it.
 */
function level(steps: string[][], path: string): number {
  const name = path.split('/')[2]!.replace(/\.ts$/, '')
  const found = steps.findIndex((names) => names.includes(name))
  return found === -1 ? steps.length : found
}

/** Files that import each other in a circle, type imports included: each circle as its files. */
function circles(files: ReadonlyMap<string, string>): string[][] {
  const found: string[][] = []
  const order = new Map<string, number>()
  const lowest = new Map<string, number>()
  const stack: string[] = []
  // Tarjan's strongly connected components.
  const visit = (path: string) => {
    order.set(path, order.size)
    lowest.set(path, order.get(path)!)
    stack.push(path)
    for (const name of imports(files.get(path)!)) {
      const to = target(path, name)
      if (!name.startsWith('.') || !files.has(to)) continue
      if (!order.has(to)) visit(to)
      if (stack.includes(to)) lowest.set(path, Math.min(lowest.get(path)!, lowest.get(to)!))
    }
    if (lowest.get(path) !== order.get(path)) return
    const circle = stack.splice(stack.indexOf(path))
    if (circle.length > 1) found.push(circle.sort())
  }
  for (const path of files.keys()) if (!order.has(path)) visit(path)
  return found
}

function lines(text: string): number {
  return text.trimEnd().split('\n').length
}

function area(path: string): string {
  return path.split('/')[1]!
}

function feature(path: string): string | undefined {
  return /^src\/server\/features\/([^/]+)\//.exec(path)?.[1]
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

const sources = new Map(
  readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
    .map((path) => `src/${path.replaceAll('\\', '/')}`)
    .filter((path) => path.endsWith('.ts'))
    .sort()
    .map((path) => [path, readFileSync(join(root, path), 'utf8')])
)

t.test('Every file of src imports only what its place allows', async (t) => {
  t.ok(sources.size > 0)
  t.strictSame(
    [...sources].flatMap(([path, text]) => faults(path, text)),
    []
  )
  for (const path of Object.keys(mayBeLong)) t.ok(lines(sources.get(path)!) > longest, path)
})

t.test('No files import each other in a circle', async (t) => {
  t.strictSame(circles(sources), [])
})

t.test('The check finds what is forbidden', async (t) => {
  const forbidden: [path: string, text: string, fault: string][] = [
    ['src/server/app.ts', "import { unwrap } from '../crypto/wrap.js'", 'imports crypto: ../crypto/wrap.js'],
    ['src/server/app.ts', "const { a } = await import('../client/a.js')", 'imports client: ../client/a.js'],
    ['src/server/bin.ts', "export * from '../cli/run.js'", 'imports cli: ../cli/run.js'],
    [
      'src/server/db/migrate.ts',
      "export const folder = new URL('../drizzle', import.meta.url)",
      'has a path relative to itself: it belongs to src/server/files.ts'
    ],
    ['src/protocol/ids.ts', "import { randomUUID } from 'node:crypto'", 'imports node:crypto'],
    ['src/crypto/keys.ts', "import { createHash } from 'node:crypto'", 'imports node:crypto'],
    ['src/client/transport/http.ts', "import { request } from 'node:http'", 'imports node:http'],
    [
      'src/client/client.ts',
      "import { FileStore } from './node.js'",
      'imports what only Node.js has: ./node.js'
    ],
    [
      'src/client/stores/memory.ts',
      "import { lock } from '../../node/lock.js'",
      'imports node: ../../node/lock.js'
    ],
    ['src/node/lock.ts', "import { x } from '../protocol/ids.js'", 'imports protocol: ../protocol/ids.js'],
    ['src/protocol/ids.ts', "import fastify from 'fastify'", 'imports fastify'],
    [
      'src/protocol/ids.ts',
      "import { Db } from '../server/db/database.js'",
      'imports server: ../server/db/database.js'
    ],
    [
      'src/client/client.ts',
      "import { Db } from '../server/db/database.js'",
      'imports server: ../server/db/database.js'
    ],
    ['src/cli/run.ts', "import { wrap } from '../crypto/wrap.js'", 'imports crypto: ../crypto/wrap.js'],
    [
      'src/cli/run.ts',
      "import { Http } from '../client/transport/http.js'",
      'imports what the client does not export: src/client/transport/http.ts'
    ],
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
      'src/server/log/append-events.ts',
      "import { x } from '../features/messages/queries.js'",
      'imports what lies above it: src/server/features/messages/queries.ts'
    ],
    [
      'src/server/log/append-events.ts',
      "import type { Services } from '../services.js'",
      'imports what lies above it: src/server/services.ts'
    ],
    [
      'src/server/features/messages/routes.ts',
      "import { build } from '../../app.js'",
      'imports what lies above it: src/server/app.ts'
    ],
    [
      'src/client/identity/trust-store.ts',
      "import type { Outbox } from '../outbox/outbox.js'",
      'imports what lies above it: src/client/outbox/outbox.ts'
    ],
    [
      'src/client/types/account.ts',
      "import type { Store } from '../stores/store.js'",
      'imports what lies above it: src/client/stores/store.ts'
    ],
    [
      'src/client/features/auth.ts',
      "import { assemble } from '../assemble.js'",
      'imports what lies above it: src/client/assemble.ts'
    ],
    ['src/server/config.ts', 'export const port = process.env.PORT', 'touches process'],
    ['src/server/config.ts', "export const port = process['env'].PORT", 'touches process'],
    ['src/server/config.ts', 'const { env } = globalThis.process', 'touches process'],
    ['src/server/config.ts', "import { env } from 'node:process'", 'touches process'],
    ['src/server/config.ts', 'a()\n'.repeat(longest + 1), `has ${longest + 1} lines, more than ${longest}`]
  ]
  for (const [path, text, fault] of forbidden) t.strictSame(faults(path, text), [`${path} ${fault}`], fault)
})

t.test('The check finds circles, those of type imports too', async (t) => {
  const planted = new Map([
    ['src/a.ts', "import './b.js'"],
    ['src/b.ts', "import type { C } from './folder/c.js'\nimport './d.js'"],
    ['src/folder/c.ts', "export type * from '../a.js'"],
    ['src/d.ts', "import './e.js'"],
    ['src/e.ts', "import 'node:fs'"]
  ])
  t.strictSame(circles(planted), [['src/a.ts', 'src/b.ts', 'src/folder/c.ts']])
  planted.set('src/folder/c.ts', '')
  t.strictSame(circles(planted), [])
})

t.test('The check leaves alone what is allowed', async (t) => {
  const allowed: [path: string, text: string][] = [
    ['src/protocol/ids.ts', "import Type from 'typebox'\nimport { x } from './x.js'"],
    ['src/client/client.ts', "import { seal } from '../crypto/messages.js'"],
    ['src/client/outbox/state.ts', "import { X } from '../messages/encrypt.js'\nimport '../errors.js'"],
    [
      'src/client/stores/file/store.ts',
      "import { open } from 'node:fs/promises'\nimport './journal.js'\nimport '../../../node/lock.js'"
    ],
    ['src/cli/with-chat.ts', "import { ChatClient } from '../client/index.js'"],
    ['src/server/app.ts', "import { messages } from './features/messages/routes.js'"],
    [
      'src/server/features/messages/routes.ts',
      "import { append } from '../../log/append.js'\nimport './queries.js'"
    ],
    [
      'src/server/log/append-events.ts',
      "import { Db } from '../db/database.js'\nimport { setTimeout } from 'node:timers/promises'"
    ],
    ['src/server/bin.ts', 'process.exit(1)'],
    ['src/server/log/append-events.ts', 'list.some((process) => process.id === id)'],
    [
      'src/server/log/append-events.ts',
      "// process.env\nconst text = 'process.env', pid = message.process.pid, o = { process: 1 }"
    ],
    ['src/crypto/a.ts', "// import x from '../server/a.js'\nconst text = \"import x from '../server/a.js'\""],
    ['src/crypto/a.ts', 'a()\n'.repeat(longest)]
  ]
  for (const [path, text] of allowed) t.strictSame(faults(path, text), [], path)
})
