import type { Command, Option } from 'commander'

/** What may stand at one place of a command line. */
export interface Place {
  /** The commands that lead there, such as `devices approve`; empty for the beginning. */
  path: string
  /** Commands below, and words that an argument has to be one of. */
  words: Word[]
  options: CompletedOption[]
}

export interface Word {
  name: string
  description: string
}

export interface CompletedOption extends Word {
  /** Whether a value follows; `file` if it is a path. */
  value: 'none' | 'file' | 'other'
}

/** Every place of the program's command line, the beginning first. Options of the program may stand everywhere. */
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
    // The `help` that Commander adds takes any command, and has nothing below.
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
