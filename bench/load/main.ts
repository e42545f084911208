import { commands, type Commands } from './commands.js'

/** The load generator's process: takes one command at a time from the one that has forked it. */
process.on('message', ({ command, plan }: { command: keyof Commands; plan: never }) => {
  Promise.resolve(commands[command](plan)).then(
    (result: unknown) => process.send!({ result }),
    (error: unknown) => process.send!({ error: (error as Error).message })
  )
})
process.on('disconnect', () => process.exit())
