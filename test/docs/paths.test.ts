import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t from 'tap'

const root = join(import.meta.dirname, '../../..')
const documents = execFileSync('git', ['ls-files', '*.md'], { cwd: root, encoding: 'utf8' })
  .trimEnd()
  .split('\n')

/** Folders whose files documents name in full, such as `src/server/app.ts`. */
const name = /`((?:src|test|docs|tools|examples|bench|drizzle|openapi)\/[\w./-]*)`/g
const link = /\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)/g

/** The part that a heading begins, as GitHub names it. */
const partOf = (heading: string): string =>
  heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\p{M}_ -]/gu, '')
    .replaceAll(' ', '-')

function hasPart(document: string, part: string): boolean {
  const headings = readFileSync(join(root, document), 'utf8').matchAll(/^#+ (.*)$/gm)
  return [...headings].some(([, heading]) => partOf(heading!) === part)
}

/** Paths in a document that lead nowhere, and parts that no document has. */
function missing(document: string, text: string): string[] {
  const links = [...text.matchAll(link)].map(([, path, part]) => ({
    path: path === '' ? document : join(dirname(document), path!),
    part
  }))
  const named = [...text.matchAll(name)].map(([, path]) => ({ path: path!, part: undefined }))
  return [...links, ...named]
    .filter(({ path, part }) => {
      if (!existsSync(join(root, path))) return true
      return part !== undefined && path.endsWith('.md') && !hasPart(path, part)
    })
    .map(({ path, part }) => (part === undefined ? path : `${path}#${part}`))
}

for (const document of documents)
  t.test(`Each file that ${document} names, and each part of one, exists`, async (t) => {
    t.strictSame(missing(document, readFileSync(join(root, document), 'utf8')), [])
  })

t.test('The check finds links and names that lead nowhere', async (t) => {
  const files = 'See [this](no/such.md), `src/no-such.ts`, `src/server/app.ts` and [that](../README.md).'
  t.strictSame(missing('docs/x.md', files), ['docs/no/such.md', 'src/no-such.ts'])
  const parts = 'See [this](#no-such-part), [that](cli.md#exit-codes) and [those](cli.md#exits).'
  t.strictSame(missing('docs/sdk.md', parts), ['docs/sdk.md#no-such-part', 'docs/cli.md#exits'])
})
