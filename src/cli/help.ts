import type { Command } from 'commander'

/** Examples at the end of a command's help, each with the program's name before it. */
export function examples(command: Command, ...lines: readonly string[]): Command {
  return command.addHelpText(
    'after',
    `\nExamples:\n${lines.map((line) => `  $ secure-chat ${line}`).join('\n')}`
  )
}
