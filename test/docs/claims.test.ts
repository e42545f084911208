import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import ts from 'typescript'

const root = join(import.meta.dirname, '../../..')

/** The titles of the tests in a program. `…` stands for a part that the test puts in. */
function titles(text: string): string[] {
  const found: string[] = []
  const visit = (node: ts.Node): void => {
    if (ts.isCallExpression(node) && /^\w+\.test$/.test(node.expression.getText())) {
      const [title] = node.arguments
      if (title !== undefined && ts.isStringLiteralLike(title)) found.push(title.text)
      if (title !== undefined && ts.isTemplateExpression(title))
        found.push(title.head.text + title.templateSpans.map(({ literal }) => `…${literal.text}`).join(''))
    }
    ts.forEachChild(node, visit)
  }
  visit(ts.createSourceFile('', text, ts.ScriptTarget.Latest, true))
  return found
}

/** The titles that a document names in its tables. */
function named(text: string): string[] {
  const rows = text.split('\n').filter((line) => line.startsWith('|'))
  return rows.flatMap((row) => [...row.matchAll(/“([^”]+)”/g)].map(([, title]) => title!))
}

t.test('Each test that the threat model names exists', async (t) => {
  const files = execFileSync('git', ['ls-files', 'test/*.test.ts'], { cwd: root, encoding: 'utf8' })
  const known = new Set(
    files
      .trimEnd()
      .split('\n')
      .flatMap((file) => titles(readFileSync(join(root, file), 'utf8')))
  )
  const claimed = named(readFileSync(join(root, 'docs/threat-model.md'), 'utf8'))
  t.ok(claimed.length > 80)
  t.strictSame(
    claimed.filter((title) => !known.has(title)),
    []
  )
})

t.test('Titles of tests are found in all their forms', async (t) => {
  const program = "t.test('One', f)\n  s.test(\n`By ${way} and ${back}`, f); other('Three', f)"
  t.strictSame(titles(program), ['One', 'By … and …'])
  t.strictSame(named('Not “this”.\n| a claim | “One”; “By … and …” |'), ['One', 'By … and …'])
})
