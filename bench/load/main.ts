import { commands, type Commands } from './commands.js'

/** The process of the load generator. It runs the commands of its parent, one at a time. */
process.on('message', ({ command, plan }: { command: keyof Commands; plan: never }) => {
  Promise.resolve(commands[command](plan)).then(
    (result: unknown) => process.send!({ result }),
    (error: unknown) => process.send!({ error: (error as Error).message })
  )
})
process.on('disconnect', () => process.exit())
