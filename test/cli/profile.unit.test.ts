import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { UsageError } from '../../src/cli/errors.js'
import { DEFAULT_URL, homeFolder, profileOf, rememberUrl, serverUrl } from '../../src/cli/profile.js'

const home = (env: Record<string, string>, os = 'linux') => homeFolder({ env }, os)

t.test('Profiles are in the platform’s folder for user data, or in SECURE_CHAT_HOME', async (t) => {
  t.equal(home({ HOME: '/home/a' }), '/home/a/.local/share/secure-chat')
  t.equal(home({ HOME: '/home/a', XDG_DATA_HOME: '/data' }), '/data/secure-chat')
  t.equal(home({ HOME: '/home/a', XDG_DATA_HOME: 'not/absolute' }), '/home/a/.local/share/secure-chat')
  t.equal(home({ HOME: '/home/a', XDG_DATA_HOME: '/data', SECURE_CHAT_HOME: '/mine' }), '/mine')
  t.equal(home({ LOCALAPPDATA: '/local' }, 'win32'), join('/local', 'secure-chat'))
})

t.test('A profile is a folder, and its name cannot lead out of the folder of profiles', async (t) => {
  const env = { SECURE_CHAT_HOME: '/home' }
  t.match(profileOf({ env }, {}), { name: 'default', folder: '/home/default' })
  t.match(profileOf({ env: { ...env, SECURE_CHAT_PROFILE: 'work' } }, {}), { folder: '/home/work' })
  t.match(profileOf({ env: { ...env, SECURE_CHAT_PROFILE: 'work' } }, { profile: 'play' }), { name: 'play' })
  for (const name of ['..', '.', 'a/b', '../a', '', 'a\\b', 'x'.repeat(65), 'a\nb'])
    t.throws(() => profileOf({ env }, { profile: name }), UsageError, JSON.stringify(name))
})

t.test('The server is the one that is named, else that of the last log-in', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'secure-chat-home-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const env = { SECURE_CHAT_HOME: folder }
  t.equal(await serverUrl({ env }, {}), DEFAULT_URL)
  await rememberUrl(profileOf({ env }, {}), 'https://chat.example.org')
  t.equal((await stat(join(folder, 'default', 'url'))).mode & 0o777, 0o600)
  t.equal(await serverUrl({ env }, {}), 'https://chat.example.org')
  t.equal(await serverUrl({ env }, { profile: 'other' }), DEFAULT_URL)
  const given = { ...env, SECURE_CHAT_URL: 'https://env.example.org' }
  t.equal(await serverUrl({ env: given }, {}), 'https://env.example.org')
  t.equal(
    await serverUrl({ env: given }, { url: 'https://argument.example.org' }),
    'https://argument.example.org'
  )
  for (const url of ['example.org', 'ftp://example.org', 'file:///etc', 'nonsense'])
    await t.rejects(serverUrl({ env }, { url }), UsageError, url)
})
