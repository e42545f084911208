import type { Command } from 'commander'

/** Adds examples to a command's help. The program's name is added to lines that lack it. */
export function addExamples(command: Command, ...lines: readonly string[]): Command {
  return command.addHelpText(
    'after',
    `\nExamples:\n${lines.map((line) => `  $ ${/\bsecure-chat /.test(line) ? '' : 'secure-chat '}${line}`).join('\n')}`
  )
}

/** `help`: shows the help of a command, however deep it stands. */
export function helpCommand(program: Command): void {
  program.helpCommand(false)
  program
    .command('help')
    .description('show the help of a command')
    .argument('[command...]')
    .action((names: string[]) => {
      let found = program
      for (const name of names) {
        const next = found.commands.find((command) => command.name() === name)
        if (next === undefined)
          found.error(`error: unknown command '${name}'`, { code: 'commander.unknownCommand' })
        else found = next
      }
      found.help()
    })
}

/** Commander's sentence before ours says what kind of argument it is about, in words of its own. */
export function inOwnWords(error: string): string {
  return error.replace(
    /^error: (?:command-argument|option) value '(.*)' is invalid for (?:argument|option) '(.*)'\. /s,
    "error: '$1' does not fit $2. "
  )
}
