import { spawnSync } from 'node:child_process'
import { PassThrough, Readable } from 'node:stream'
import t, { type Test } from 'tap'
import { places } from '../../src/cli/completion/tree.js'
import { makeProgram } from '../../src/cli/run.js'
import { commandLine } from '../support/command-line.js'

const shells = ['bash', 'zsh', 'fish'] as const

function here(shell: string): boolean {
  return spawnSync(shell, ['-c', 'true']).status === 0
}

async function script(owner: Test, shell: string): Promise<string> {
  const { code, out, err } = await commandLine(owner)(`completion ${shell}`)
  owner.strictSame([code, err], [0, ''])
  return out
}

/** The words that bash offers for the last word of a command line. */
async function offers(owner: Test, ...words: string[]): Promise<string[]> {
  const asked = `COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _secure_chat; printf '%s\\n' "\${COMPREPLY[@]}"`
  const source = `${await script(owner, 'bash')}\n${asked}`
  const { stdout, stderr, status } = spawnSync('bash', ['-c', source, 'bash', 'secure-chat', ...words])
  owner.strictSame([status, String(stderr)], [0, ''])
  return String(stdout).split('\n').filter(Boolean)
}

for (const shell of shells)
  t.test(
    `The completion for ${shell} is a script that ${shell} accepts`,
    { skip: !here(shell) && `${shell} is not here` },
    async (t) => {
      const { status, stderr } = spawnSync(shell, ['-n'], { input: await script(t, shell) })
      t.strictSame([status, String(stderr)], [0, ''])
    }
  )

t.test('Each completion script holds all commands and options', async (t) => {
  const streams = { stdin: Readable.from([]), stdout: new PassThrough(), stderr: new PassThrough() }
  const program = makeProgram({ ...streams, argv: [], env: {}, signal: new AbortController().signal })
  const all = places(program)
  t.ok(all.length > program.commands.length)
  for (const shell of shells) {
    const text = await script(t, shell)
    for (const { path, words, options } of all)
      for (const { name } of [...words, ...options]) {
        const spelled = shell === 'fish' ? name.replace(/^--?/, '') : name
        t.ok(text.includes(spelled), `${shell}: ${path} ${name}`, { compareOptions: { diff: false } })
      }
  }
})

t.test(
  'Bash completes commands, their words and their options',
  { skip: !here('bash') && 'no bash' },
  async (t) => {
    t.strictSame(await offers(t, 'comp'), ['completion'])
    t.strictSame(await offers(t, 'completion', ''), [
      ...shells,
      '--help',
      '-h',
      '--url',
      '--profile',
      '--password-file',
      '--keys-passphrase-file',
      '--verbose'
    ])
    t.strictSame(await offers(t, 'serve', '--d'), ['--data-dir'])
    t.strictSame(await offers(t, '--profile', 'work', 'completion', 'z'), ['zsh'])
    t.strictSame(await offers(t, 'serve', '--port', ''), [], 'a value that only the person knows')
    t.strictSame(await offers(t, 'serve', '--data-dir', '/et'), ['/etc'])
  }
)

t.test('"completion" refuses an unknown shell', async (t) => {
  const { code, out, err } = await commandLine(t)('completion tcsh')
  t.equal(code, 2)
  t.equal(out, '')
  t.match(err, /bash, zsh, fish/)
})
