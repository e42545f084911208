import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import ts from 'typescript'
import { installClient } from '../support/client-package.js'
import { startChat } from '../support/start-chat.js'

const run = promisify(execFile)
const root = join(import.meta.dirname, '../../..')

/** The TypeScript of a document, which is one program from top to bottom. */
function programOf(document: string): string {
  return [...document.matchAll(/^```ts\n(.*?)^```$/gms)].map((block) => block[1]).join('\n')
}

/** Compile programs by the rules of the project. @returns what the compiler says against them */
function compile(files: readonly string[]): string {
  const host = { ...ts.sys, onUnRecoverableConfigFileDiagnostic: () => {} }
  const { options } = ts.getParsedCommandLineOfConfigFile(join(root, 'tsconfig.node.json'), {}, host)!
  for (const name of ['rootDir', 'outDir', 'composite', 'tsBuildInfoFile'] as const) delete options[name]
  const program = ts.createProgram(files, { ...options, declaration: false, sourceMap: false })
  const found = [...ts.getPreEmitDiagnostics(program), ...program.emit().diagnostics]
  return ts.formatDiagnostics(found, {
    getCanonicalFileName: (name) => name,
    getCurrentDirectory: () => root,
    getNewLine: () => '\n'
  })
}

// Inside the repository, where its dependencies are found.
await mkdir(join(root, 'build', 'docs'), { recursive: true })
const folder = await mkdtemp(join(root, 'build', 'docs', 'programs-'))
t.teardown(() => rm(folder, { recursive: true, force: true }))
await installClient(folder)
const documents = ['README.md', 'docs/sdk.md']
for (const [n, document] of documents.entries()) {
  const program = programOf(await readFile(join(root, document), 'utf8'))
  await writeFile(join(folder, `${n}.ts`), program)
}
const complaints = compile(documents.map((_, n) => join(folder, `${n}.ts`)))
const { url } = await startChat(t, { CONTACT_POLICY: 'requests' })

t.test('The programs in the documents compile', (t) => {
  t.equal(complaints, '')
  t.end()
})

for (const [n, document] of documents.entries()) {
  t.test(`The program in ${document} runs`, async (t) => {
    const env = { ...process.env, SECURE_CHAT_URL: url }
    const { stdout, stderr } = await run(process.execPath, [`${n}.js`], { cwd: folder, env, timeout: 60_000 })
    t.equal(stderr, '')
    t.match(stdout, /See you at nine/)
  })
}
