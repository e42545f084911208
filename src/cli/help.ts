import type { Command } from 'commander'

/** Examples at the end of a command's help. Those that do not name the program begin with it. */
export function addExamples(command: Command, ...lines: readonly string[]): Command {
  return command.addHelpText(
    'after',
    `\nExamples:\n${lines.map((line) => `  $ ${/\bsecure-chat /.test(line) ? '' : 'secure-chat '}${line}`).join('\n')}`
  )
}
