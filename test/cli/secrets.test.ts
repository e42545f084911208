import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { cheapArgon2 } from '../support/cheap-argon2.js'
import { commandLine } from '../support/command-line.js'
import { startChat } from '../support/start-chat.js'

cheapArgon2(t)
const { url } = await startChat(t)
const folder = t.testdir()
const cli = commandLine(t, { SECURE_CHAT_URL: url })
const as = (profile: string, env: Record<string, string> = {}) => ({
  env: { SECURE_CHAT_PROFILE: profile, ...env }
})

t.test(
  'A password is the same with a line break, a byte order mark or other code points for its letters',
  async (t) => {
    const composed = 'pass\u00e9 word long'
    const decomposed = 'passe\u0301 word long'
    t.match(await cli('register norma', as('norma', { SECURE_CHAT_PASSWORD: composed })), { code: 0 })
    for (const password of [`${composed}\n`, `${decomposed}\r\n`, `\uFEFF${composed}`])
      t.match(await cli('login norma --no-wait', as('norma', { SECURE_CHAT_PASSWORD: password })), {
        code: 0
      })
    for (const [name, content] of Object.entries({ bom: `\uFEFF${decomposed}\r\n`, plain: composed })) {
      const file = join(folder, name)
      writeFileSync(file, content)
      t.match(await cli(`login norma --no-wait --password-file ${file}`, as('norma')), { code: 0 }, name)
    }
    const login = (password: string) =>
      fetch(`${url}/v1/auth/login`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ username: 'norma', password })
      })
    t.equal((await login(decomposed)).status, 200, 'over HTTP')
    t.equal((await login(`${composed}\n`)).status, 401, 'programs send what they mean')
  }
)

t.test('A passphrase with a line break seals what it opens without one', async (t) => {
  const variable = 'SECURE_CHAT_BACKUP_PASSPHRASE'
  const passphrase = 'a passphrase for backups'
  await cli('register paula', as('paula'))
  t.match(await cli('backup create --passphrase', as('paula', { [variable]: `${passphrase}\n` })), {
    code: 0
  })
  t.match(await cli('restore paula --passphrase', as('again', { [variable]: passphrase })), { code: 0 })
  const keys = 'a passphrase for keys'
  t.match(await cli('register quentin', as('quentin', { SECURE_CHAT_PASSPHRASE: `${keys}\n` })), { code: 0 })
  t.match(await cli('whoami', as('quentin', { SECURE_CHAT_PASSPHRASE: keys })), { code: 0, out: /quentin/ })
})
