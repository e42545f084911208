import type { Command } from 'commander'
import { runChecks } from '../doctor/checks.js'
import { EXIT, ExitError } from '../errors.js'
import type { Check } from '../doctor/check.js'
import { addExamples } from '../help.js'
import { print, printJson, type Io } from '../terminal/io.js'
import { createStyle, type Style, type StyleName } from '../terminal/style.js'
import type { GlobalOptions } from '../profile.js'
import { sanitizeLines } from '../terminal/sanitize.js'

const styles: Record<Check['status'], StyleName> = { ok: 'green', warn: 'yellow', fail: 'red' }

/** `doctor`: checks everything that messages depend on. */
export function doctorCommand(program: Command, io: Io): void {
  addExamples(
    program
      .command('doctor')
      .summary('check this machine, the server and the connection')
      .description(
        'Check the cryptography, the key store, the server, its TLS certificate and clock, the session, and the ' +
          'chains of all conversations. Nothing is changed. The exit code is 1 if a check fails.'
      )
      .option('--json', 'print one line of JSON for each: check, status (ok, warn, fail), message, hint')
      .action(async ({ json }: { json?: boolean }) => {
        const style = createStyle(io)
        let failed = false
        for await (const check of runChecks(io, program.opts<GlobalOptions>())) {
          io.signal.throwIfAborted()
          if (json === true) printJson(io, check)
          else for (const line of lines(check, style)) print(io, line)
          failed ||= check.status === 'fail'
        }
        if (failed) throw new ExitError(EXIT.refused)
      }),
    'doctor',
    `doctor --json | jq -r 'select(.status != "ok") | .check'`
  )
}

function lines({ check, status, message, hint }: Check, style: Style): string[] {
  const first = `${style(styles[status], status.padEnd(4))}  ${sanitizeLines(`${check}: ${message}`)}`
  return hint === undefined ? [first] : [first, `      ${style('dim', sanitizeLines(hint))}`]
}
