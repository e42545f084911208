import { concat } from '../../../src/crypto/encoding.js'

const SEALED_CHUNK = 65_552

/** The bytes of each file in the vectors: byte i is i modulo 251. */
export const fileBytes = (size: number): Uint8Array => Uint8Array.from({ length: size }, (_, at) => at % 251)

/** A change of a ciphertext. The vectors hold the change, since the ciphertext is large. */
export type Edit =
  | { edit: 'cut'; to: number }
  | { edit: 'append'; hex: string }
  | { edit: 'flip'; byte: number }
  | { edit: 'swap'; chunks: [number, number] }
  | { edit: 'drop'; chunk: number }

export function edited(ciphertext: Uint8Array, edit: Edit): Uint8Array {
  const prefix = ciphertext.subarray(0, 7)
  const body = ciphertext.subarray(7)
  const chunks = Array.from({ length: Math.ceil(body.length / SEALED_CHUNK) }, (_, at) => {
    return body.subarray(at * SEALED_CHUNK, (at + 1) * SEALED_CHUNK)
  })
  switch (edit.edit) {
    case 'cut':
      return ciphertext.slice(0, edit.to)
    case 'append':
      return concat(ciphertext, Buffer.from(edit.hex, 'hex'))
    case 'flip':
      return ciphertext.map((byte, at) => (at === edit.byte ? byte ^ 1 : byte))
    case 'swap': {
      const [a, b] = edit.chunks
      return concat(prefix, ...chunks.with(a, chunks[b]!).with(b, chunks[a]!))
    }
    case 'drop':
      return concat(prefix, ...chunks.toSpliced(edit.chunk, 1))
  }
}
