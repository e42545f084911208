import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** The files in a folder and all folders below it that hold a secret, in whatever form. */
export function filesWith(folder: string, secret: Uint8Array | string): string[] {
  const holdsSecret = holds(secret)
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => holdsSecret(readFileSync(path, 'latin1')))
}

/** Whether bytes, as latin1, hold a secret in whatever form. */
export function holds(secret: Uint8Array | string): (bytes: string) => boolean {
  const forms = formsOf(Buffer.from(secret))
  return (bytes) => forms.some((form) => bytes.includes(form))
}

/** Raw, hex, and base64 wherever it may begin in a longer text. */
function formsOf(secret: Buffer): string[] {
  const encoded = [0, 1, 2].flatMap((before) => {
    const bytes = Buffer.concat([Buffer.alloc(before), secret])
    // Characters that depend on the neighbours are left out.
    const [from, to] = [Math.ceil((before * 4) / 3), Math.floor((bytes.length * 4) / 3)]
    return [bytes.toString('base64').slice(from, to), bytes.toString('base64url').slice(from, to)]
  })
  const hex = secret.toString('hex')
  return [secret.toString('latin1'), hex, hex.toUpperCase(), ...encoded]
}
