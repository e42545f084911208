import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { build } from 'esbuild'
import t from 'tap'
import ts from 'typescript'
import { installClient } from '../support/client-package.js'

const root = join(import.meta.dirname, '../../..')
await mkdir(join(root, 'build', 'packages'), { recursive: true })
// Inside the repository, where the dependencies are found.
const folder = await mkdtemp(join(root, 'build', 'packages', 'client-'))
t.teardown(() => rm(folder, { recursive: true, force: true }))
await installClient(folder)

t.test('A program that uses only the errors of the SDK bundles nothing else of it', async (t) => {
  const contents = "import { ChatError } from 'secure-chat-client'\nconsole.log(ChatError)"
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: folder },
    bundle: true,
    write: false,
    format: 'esm',
    minify: true,
    // The package is the folder with its manifest, and not where the links lead.
    preserveSymlinks: true
  })
  t.ok(outputFiles[0]!.contents.length < 1000, `${outputFiles[0]!.contents.length} bytes`)
})

t.test('The types of the SDK are found in each way in which TypeScript looks for packages', async (t) => {
  const { Node10, Node16, NodeNext, Bundler } = ts.ModuleResolutionKind
  for (const moduleResolution of [Node10, Node16, NodeNext, Bundler])
    for (const name of ['secure-chat-client', 'secure-chat-client/node']) {
      const from = join(folder, 'program.ts')
      const { resolvedModule } = ts.resolveModuleName(name, from, { moduleResolution }, ts.sys)
      t.match(
        resolvedModule?.resolvedFileName,
        /\.d\.ts$/,
        `${name}, ${ts.ModuleResolutionKind[moduleResolution]}`
      )
    }
})
