import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { PassThrough, Readable } from 'node:stream'
import t from 'tap'
import { places } from '../../src/cli/completion/tree.js'
import { makeProgram } from '../../src/cli/run.js'

const manual = readFileSync(join(import.meta.dirname, '../../../docs/cli.md'), 'utf8')
const streams = { stdin: Readable.from([]), stdout: new PassThrough(), stderr: new PassThrough() }
const program = makeProgram({ ...streams, argv: [], env: {}, signal: new AbortController().signal })
const commands = places(program).flatMap(({ path }) => path || [])

t.test('The manual describes every command', async (t) => {
  for (const command of commands) t.match(manual, command, command)
})

t.test('The manual names only commands and options that exist', async (t) => {
  const first = new Set(commands.map((command) => command.split(' ')[0]))
  const options = new Set(places(program).flatMap((place) => place.options.map(({ name }) => name)))
  const shown = manual.matchAll(/(?<=^\$ |[|(] ?|npx )secure-chat((?: --\w[\w-]* \S+)*) ([a-z]+)\b/gm)
  const named = [...shown].map((match) => match[2]!)
  t.ok(named.length > 20)
  for (const name of new Set(named)) t.ok(first.has(name), name)
  for (const [line] of manual.matchAll(/^.*secure-chat .*$/gm))
    for (const [option] of line
      .replace(/(curl|jq|npm|tail|logger) [^|]*/g, '')
      .matchAll(/(?<=\s)--[a-z][a-z-]+/g))
      t.ok(options.has(option), `${option} in: ${line.slice(0, 60)}`)
})
