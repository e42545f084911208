import { existsSync } from 'node:fs'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { homedir, platform } from 'node:os'
import { join, resolve } from 'node:path'
import { UsageError } from './errors.js'
import type { Io } from './terminal/io.js'

export const DEFAULT_URL = 'http://127.0.0.1:3000'

/** Options that every command takes. */
export interface GlobalOptions {
  url?: string
  profile?: string
  passwordFile?: string
  keysPassphraseFile?: string
  json?: boolean
  verbose?: boolean
}

/** An account on this machine: a folder with the key store and the server's address. */
export interface Profile {
  name: string
  folder: string
  store: string
}

/** The folder of all profiles: `SECURE_CHAT_HOME`, else the system's folder for an application's data. */
export function homeFolder({ env }: Pick<Io, 'env'>, os: string = platform()): string {
  if (env['SECURE_CHAT_HOME']) return resolve(env['SECURE_CHAT_HOME'])
  if (os === 'win32') return join(env['LOCALAPPDATA'] ?? join(homedir(), 'AppData', 'Local'), 'secure-chat')
  const data = env['XDG_DATA_HOME']
  // The specification says to ignore relative paths.
  return join(data?.startsWith('/') ? data : join(env['HOME'] ?? homedir(), '.local', 'share'), 'secure-chat')
}

/** @throws {UsageError} if the name could leave the folder of profiles */
export function profileOf({ env }: Pick<Io, 'env'>, options: GlobalOptions): Profile {
  const name = options.profile ?? (env['SECURE_CHAT_PROFILE'] || 'default')
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(name))
    throw new UsageError(
      `"${name}" is not a valid profile name.`,
      'Use letters, digits, dots, dashes and underscores.'
    )
  const folder = join(homeFolder({ env }), name)
  return { name, folder, store: join(folder, 'keys') }
}

/** The server: `--url`, else `SECURE_CHAT_URL`, else that of the last log-in, else `DEFAULT_URL`. */
export async function serverUrl({ env }: Pick<Io, 'env'>, options: GlobalOptions): Promise<string> {
  const given = options.url ?? env['SECURE_CHAT_URL']
  const url = given || (await rememberedUrl(profileOf({ env }, options))) || DEFAULT_URL
  // A password in it is shown nowhere.
  if (/\/\/.*@/.test(url))
    throw new UsageError(
      'The address of a server has no user name and no password.',
      `Use an address such as ${DEFAULT_URL}. If a proxy asks for a log-in, let it pass /v1/ without one.`
    )
  if (!/^https?:$/.test(URL.canParse(url) ? new URL(url).protocol : ''))
    throw new UsageError(`${url} is not the address of a server.`, `Use an address such as ${DEFAULT_URL}.`)
  return url
}

/** Whether the server is on this machine, so that no traffic leaves it. */
export function isOnThisMachine(url: string): boolean {
  return /^(localhost|127(\.\d+){3}|\[::1\])$/.test(new URL(url).hostname)
}

async function rememberedUrl({ folder }: Profile): Promise<string | null> {
  return readFile(join(folder, 'url'), 'utf8').then(
    (text) => text.trim(),
    () => null
  )
}

export async function rememberUrl({ folder }: Profile, url: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  await writeFile(join(folder, 'url'), `${url}\n`, { mode: 0o600 })
}

/** Whether this profile's key store has ever been opened with a passphrase. */
export function isSealed({ folder }: Profile): boolean {
  return existsSync(join(folder, 'sealed'))
}

/** Remember it, so that a store in the clear is not taken in its place. */
export async function rememberSealed(profile: Profile): Promise<void> {
  if (!isSealed(profile)) await writeFile(join(profile.folder, 'sealed'), '', { mode: 0o600 })
}
