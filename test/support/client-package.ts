import { mkdir, symlink } from 'node:fs/promises'
import { join } from 'node:path'

const root = join(import.meta.dirname, '../../..')

/**
 * Install the built `secure-chat-client` in a folder of the repository. Its dependencies are the
 * repository's.
 */
export async function installClient(folder: string): Promise<void> {
  const installed = join(folder, 'node_modules', 'secure-chat-client')
  await mkdir(installed, { recursive: true })
  await symlink(join(root, 'packages/client/package.json'), join(installed, 'package.json'))
  await symlink(join(root, 'build/src'), join(installed, 'dist'))
}
