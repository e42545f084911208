import type { Command, Option } from 'commander'

/** The words and options that are possible at one place of a command line. */
export interface Place {
  /** The commands that lead there, such as `devices approve`; empty for the first place. */
  path: string
  /** The subcommands, and the choices of an argument. */
  words: Word[]
  options: CompletedOption[]
}

export interface Word {
  name: string
  description: string
}

export interface CompletedOption extends Word {
  /** Whether a value follows. `file` if it is a path. */
  value: 'none' | 'file' | 'other'
}

/** Every place of the program's command line. The program's own options are possible at each. */
export function places(program: Command): Place[] {
  const everywhere = program.options.filter(({ long }) => long !== '--version')
  const below = (command: Command, path: readonly string[]): Place[] => {
    const help = command.createHelp()
    const commands = help.visibleCommands(command)
    const own = help.visibleOptions(command)
    const options = command === program ? own : [...own, ...everywhere]
    const place = {
      path: path.join(' '),
      words: [...commands.map(named), ...choices(command)],
      options: options.flatMap(spelled)
    }
    // Commander's own `help` has no subcommands.
    const known = commands.filter((child) => command.commands.includes(child))
    return [place, ...known.flatMap((child) => below(child, [...path, child.name()]))]
  }
  return below(program, [])
}

function named(command: Command): Word {
  return { name: command.name(), description: command.description() }
}

function choices({ registeredArguments }: Command): Word[] {
  return registeredArguments.flatMap(({ argChoices = [] }) =>
    argChoices.map((name) => ({ name, description: '' }))
  )
}

function spelled({ long, short, description, flags, required, optional }: Option): CompletedOption[] {
  const value = !required && !optional ? 'none' : /[<[](path|file|folder)[>\]]/.test(flags) ? 'file' : 'other'
  return [long, short].flatMap((name) => (name ? [{ name, description, value } as const] : []))
}
