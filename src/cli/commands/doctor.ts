import type { Command } from 'commander'
import { examine } from '../doctor/checks.js'
import { EXIT, ExitError } from '../errors.js'
import type { Finding } from '../doctor/check.js'
import { examples } from '../help.js'
import { print, printJson, type Io } from '../terminal/io.js'
import { painter, type Paint, type Style } from '../terminal/style.js'
import type { GlobalOptions } from '../profile.js'
import { safe } from '../terminal/sanitize.js'

const styles: Record<Finding['status'], Style> = { ok: 'green', warn: 'yellow', fail: 'red' }

/** `doctor`: what is well and what is not, from the cryptography to the chains. */
export function doctorCommand(program: Command, io: Io): void {
  examples(
    program
      .command('doctor')
      .summary('check this machine, the server, and what lies between')
      .description(
        'Check the cryptography, the key store, the server, its TLS and clock, the session, and that the chains of ' +
          'all conversations stand. Changes nothing. Exit code 1 if something failed.'
      )
      .option('--json', 'one object a line: check, status (ok, warn, fail), message, hint')
      .action(async ({ json }: { json?: boolean }) => {
        const paint = painter(io)
        let failed = false
        for await (const finding of examine(io, program.opts<GlobalOptions>())) {
          io.signal.throwIfAborted()
          if (json === true) printJson(io, finding)
          else for (const line of lines(finding, paint)) print(io, line)
          failed ||= finding.status === 'fail'
        }
        if (failed) throw new ExitError(EXIT.refused)
      }),
    'doctor',
    `doctor --json | jq -r 'select(.status != "ok") | .check'`
  )
}

function lines({ check, status, message, hint }: Finding, paint: Paint): string[] {
  const first = `${paint(styles[status], status.padEnd(4))}  ${safe(`${check}: ${message}`)}`
  return hint === undefined ? [first] : [first, `      ${paint('dim', safe(hint))}`]
}
