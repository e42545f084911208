// Copies into this folder what the package holds: the built client, and the folders of src that it imports.
import { copyFileSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

const root = join(import.meta.dirname, '../..')
const dist = join(import.meta.dirname, 'dist')

rmSync(dist, { recursive: true, force: true })
for (const folder of ['client', 'crypto', 'node', 'protocol']) {
  // By the sources: the build may still hold files whose source is gone.
  for (const source of readdirSync(join(root, 'src', folder), { recursive: true, encoding: 'utf8' })) {
    if (!source.endsWith('.ts')) continue
    const name = join(folder, source.slice(0, -'.ts'.length))
    mkdirSync(dirname(join(dist, name)), { recursive: true })
    for (const suffix of ['.js', '.d.ts']) {
      const text = readFileSync(join(root, 'build/src', name + suffix), 'utf8')
      // The package has no source maps.
      writeFileSync(join(dist, name + suffix), text.replace(/\/\/# sourceMappingURL=\S+\s*$/, ''))
    }
  }
}
copyFileSync(join(root, 'LICENSE'), join(import.meta.dirname, 'LICENSE'))
