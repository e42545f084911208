import { concat } from '../../../src/crypto/encoding.js'

/** Prefix and commitment. */
const HEADER = 39
const SEALED_CHUNK = 65_552

/** The bytes of each file in the vectors: byte i is i modulo 251. */
export const fileBytes = (size: number): Uint8Array => Uint8Array.from({ length: size }, (_, at) => at % 251)

/** A change of a ciphertext. The vectors hold the change, since the ciphertext is large. */
export type Edit =
  | { edit: 'none' }
  | { edit: 'cut'; to: number }
  | { edit: 'append'; hex: string }
  | { edit: 'flip'; byte: number }
  | { edit: 'swap'; chunks: [number, number] }
  | { edit: 'drop'; chunk: number }

export function edited(ciphertext: Uint8Array, edit: Edit): Uint8Array {
  const header = ciphertext.subarray(0, HEADER)
  const body = ciphertext.subarray(HEADER)
  const chunks = Array.from({ length: Math.ceil(body.length / SEALED_CHUNK) }, (_, at) => {
    return body.subarray(at * SEALED_CHUNK, (at + 1) * SEALED_CHUNK)
  })
  switch (edit.edit) {
    case 'none':
      return ciphertext
    case 'cut':
      return ciphertext.slice(0, edit.to)
    case 'append':
      return concat(ciphertext, Buffer.from(edit.hex, 'hex'))
    case 'flip':
      return ciphertext.map((byte, at) => (at === edit.byte ? byte ^ 1 : byte))
    case 'swap': {
      const [a, b] = edit.chunks
      return concat(header, ...chunks.with(a, chunks[b]!).with(b, chunks[a]!))
    }
    case 'drop':
      return concat(header, ...chunks.toSpliced(edit.chunk, 1))
  }
}
