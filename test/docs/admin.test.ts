import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { machine } from '../support/cli-process.js'
import { startChat } from '../support/start-chat.js'

const page = readFileSync(join(import.meta.dirname, '../../../docs/admin.md'), 'utf8')

/** The commands of the page, each with the output that it shows. */
const shown = [...page.matchAll(/^```console\n(.*?)^```$/gms)].flatMap(([, block]) =>
  block!
    .split(/^\$ secure-chat /m)
    .filter(Boolean)
    .map((text) => {
      const [command, ...output] = text.trimEnd().split('\n')
      const words = [...command!.matchAll(/'([^']*)'|\S+/g)].map(([word, quoted]) => quoted ?? word)
      return { command: command!, words, output: output.join('\n') }
    })
)

t.test('The commands of the page about the administration run, in their order', async (t) => {
  const chat = await startChat(t, { REGISTRATION: 'open' })
  const home = await machine(t, chat.url)
  const env = { DATA_DIR: chat.services.config.database.dataDir }
  t.ok(shown.length > 15)
  for (const { command, words, output } of shown) {
    const { code, out, err } = await home.run('alice', words, { env })
    t.equal(code, 0, `${command}\n${err}`)
    t.ok((out + err).includes(output), `${command} shows what the page says`)
    // The account is there before anybody looks at it.
    if (words.includes('create') && words.includes('bob')) await home.register('bob')
  }
})
