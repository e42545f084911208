import type { Command } from 'commander'

/** Adds examples to a command's help. The program's name is added to lines that lack it. */
export function addExamples(command: Command, ...lines: readonly string[]): Command {
  return command.addHelpText(
    'after',
    `\nExamples:\n${lines.map((line) => `  $ ${/\bsecure-chat /.test(line) ? '' : 'secure-chat '}${line}`).join('\n')}`
  )
}
