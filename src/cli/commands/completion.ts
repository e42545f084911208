import { Argument, type Command } from 'commander'
import { completionScripts } from '../completion/scripts.js'
import { places } from '../completion/tree.js'
import { addExamples } from '../help.js'
import type { Io } from '../terminal/io.js'

/** `completion`: completion scripts for shells, generated from the commands. */
export function completionCommand(program: Command, io: Io): void {
  addExamples(
    program
      .command('completion')
      .description('print a script that makes a shell complete command lines')
      .addArgument(new Argument('<shell>', 'the shell').choices(Object.keys(completionScripts)))
      .action((shell: keyof typeof completionScripts) => {
        io.stdout.write(completionScripts[shell](places(program)))
      }),
    'completion bash > ~/.local/share/bash-completion/completions/secure-chat',
    'completion zsh > "${fpath[1]}/_secure-chat"',
    'completion fish > ~/.config/fish/completions/secure-chat.fish'
  )
}
