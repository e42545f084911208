import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import ts from 'typescript'
import { startChat } from '../support/start-chat.js'

const run = promisify(execFile)
const root = join(import.meta.dirname, '../../..')

/** The TypeScript of a document, which is one program from top to bottom. */
function programOf(document: string): string {
  return [...document.matchAll(/^```ts\n(.*?)^```$/gms)].map((block) => block[1]).join('\n')
}

/** A folder inside the package, so that a program finds it by its name. */
async function folder(): Promise<string> {
  await mkdir(join(root, 'build', 'docs'), { recursive: true })
  const made = await mkdtemp(join(root, 'build', 'docs', 'program-'))
  t.teardown(() => rm(made, { recursive: true, force: true }))
  return made
}

/** Compile a program by the rules of the project. @returns what the compiler says against it */
function compile(file: string): string {
  const read = (path: string) => ts.sys.readFile(path)
  const { config } = ts.readConfigFile(join(root, 'tsconfig.json'), read) as {
    config: { compilerOptions: object }
  }
  const { options } = ts.convertCompilerOptionsFromJson(config.compilerOptions, root)
  for (const name of ['rootDir', 'outDir', 'incremental', 'tsBuildInfoFile'] as const) delete options[name]
  const program = ts.createProgram([file], { ...options, declaration: false, sourceMap: false })
  const found = [...ts.getPreEmitDiagnostics(program), ...program.emit().diagnostics]
  return ts.formatDiagnostics(found, {
    getCanonicalFileName: (name) => name,
    getCurrentDirectory: () => root,
    getNewLine: () => '\n'
  })
}

for (const name of ['README.md', 'docs/sdk.md']) {
  t.test(`The program in ${name} compiles and runs`, async (t) => {
    const cwd = await folder()
    const program = programOf(await readFile(join(root, name), 'utf8'))
    t.not(program, '')
    await writeFile(join(cwd, 'program.ts'), program)
    t.equal(compile(join(cwd, 'program.ts')), '')
    const { url } = await startChat(t)
    const env = { ...process.env, SECURE_CHAT_URL: url }
    const { stdout, stderr } = await run(process.execPath, ['program.js'], { cwd, env, timeout: 60_000 })
    t.equal(stderr, '')
    t.match(stdout, /See you at nine/)
  })
}
