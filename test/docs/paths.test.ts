import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t from 'tap'

const root = join(import.meta.dirname, '../../..')
const documents = execFileSync('git', ['ls-files', '*.md'], { cwd: root, encoding: 'utf8' })
  .trimEnd()
  .split('\n')

/** Folders whose files documents name in full, such as `src/server/app.ts`. */
const named = /`((?:src|test|docs|tools|examples|bench|drizzle|openapi)\/[\w./-]*)`/g
const link = /\]\((?!https?:|#)([^)#\s]+)/g

/** Paths in a document that lead nowhere. */
function missing(document: string, text: string): string[] {
  const linked = [...text.matchAll(link)].map(([, path]) => join(dirname(document), path!))
  const paths = [...linked, ...[...text.matchAll(named)].map(([, path]) => path!)]
  return paths.filter((path) => !existsSync(join(root, path)))
}

for (const document of documents)
  t.test(`Each file that ${document} names exists`, async (t) => {
    t.strictSame(missing(document, readFileSync(join(root, document), 'utf8')), [])
  })

t.test('The check finds links and names that lead nowhere', async (t) => {
  const text = 'See [this](no/such.md#part), `src/no-such.ts`, `src/server/app.ts` and [that](../README.md).'
  t.strictSame(missing('docs/x.md', text), ['docs/no/such.md', 'src/no-such.ts'])
})
