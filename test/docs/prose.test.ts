import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'

const root = join(import.meta.dirname, '../../..')
const folder = t.testdir()

/** Places that the check finds in a file with this text, such as `2: "told"`. */
function found(name: string, text: string): string[] {
  const file = join(folder, name)
  writeFileSync(file, text)
  const { stderr } = spawnSync(process.execPath, ['tools/prose.mjs', file], { cwd: root, encoding: 'utf8' })
  return stderr.split('\n').flatMap((line) => /:(\d+: ".*?"):/.exec(line)?.[1] ?? [])
}

t.test(
  'The prose check finds sentences without a subject, and words that need a second reading',
  async (t) => {
    const document = [
      'It works. What is deleted stays. Of these one is left.',
      '',
      'Whoever reads this begins anew, with so many others.',
      '',
      'He waits for the bell alone.'
    ]
    t.strictSame(found('document.md', document.join('\n')), [
      '1: "What is deleted stays"',
      '1: "Of "',
      '3: "Whoever reads this begins anew, with so many other"',
      '3: "anew"',
      '3: "so many"',
      '5: "alone"',
      '5: "He"',
      '5: "bell"'
    ])
  }
)

t.test('The prose check reads comments and titles of tests, also over several lines', async (t) => {
  const program = [
    '// A comment that goes on. What',
    '// it says counts.',
    "t.test('Who writes is told of it', f)"
  ]
  t.strictSame(found('program.ts', program.join('\n')), [
    '1: "What\\n   it says counts"',
    '3: "Who writes is told of it"',
    '3: "told of"'
  ])
})

t.test('The prose check lets questions, short phrases and code pass', async (t) => {
  const document = [
    '# What a client must do',
    '',
    'What is a chain? Leave it alone.',
    '',
    '`he` and | What it is |'
  ]
  t.strictSame(found('document.md', document.join('\n')), [])
  const program = ['/** What a client must do. */', 'const he = anew(alone)', "const text = 'for his bell'"]
  t.strictSame(found('program.ts', program.join('\n')), [])
})
