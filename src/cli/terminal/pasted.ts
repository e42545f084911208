import { Transform, type TransformCallback } from 'node:stream'
import { StringDecoder } from 'node:string_decoder'
import type { Io } from './io.js'

/** A terminal that is asked to puts these around what is pasted ("bracketed paste"). */
const START = '\u001b[200~'
const END = '\u001b[201~'
const ON = '\u001b[?2004h'
const OFF = '\u001b[?2004l'

/** Stands for a line break within a line that was pasted. */
const BREAK = '␊'

/** What is typed on a terminal. The breaks of a pasted text end no line: it is one message. */
export class PastedInput extends Transform {
  readonly isTTY = true
  readonly #stdin: Io['stdin']
  readonly #stdout: Io['stdout']
  readonly #decoder = new StringDecoder('utf8')
  #isPaste = false
  /** The beginning of a marker, which may come in parts. */
  #rest = ''

  constructor({ stdin, stdout }: Io) {
    super({ decodeStrings: true })
    this.#stdin = stdin
    this.#stdout = stdout
    stdout.write(ON)
    stdin.pipe(this)
  }

  /** Readline asks for each key as it is pressed. */
  setRawMode(isRaw: boolean): this {
    ;(this.#stdin as NodeJS.ReadStream).setRawMode(isRaw)
    return this
  }

  /** Give the terminal back. */
  close(): void {
    this.#stdin.unpipe(this)
    this.#stdin.pause()
    this.#stdout.write(OFF)
  }

  override _transform(chunk: Buffer, _: BufferEncoding, done: TransformCallback): void {
    let text = this.#rest + this.#decoder.write(chunk)
    let shown = ''
    for (;;) {
      const marker = this.#isPaste ? END : START
      const at = text.indexOf(marker)
      const kept = at === -1 ? text.length - begunMarker(text, marker) : at
      shown += this.#isPaste ? text.slice(0, kept).replace(/\r\n|\r|\n/g, BREAK) : text.slice(0, kept)
      if (at === -1) {
        this.#rest = text.slice(kept)
        return done(null, shown)
      }
      text = text.slice(at + marker.length)
      this.#isPaste = !this.#isPaste
    }
  }
}

/**
 * How much at the end of a text may be the beginning of a marker, or of a break of two characters. Outside of a paste,
 * a lone escape is a key that was pressed.
 */
function begunMarker(text: string, marker: string): number {
  if (marker === END && text.endsWith('\r')) return 1
  const least = marker === END ? 1 : 2
  for (let length = marker.length - 1; length >= least; length--)
    if (text.endsWith(marker.slice(0, length))) return length
  return 0
}

/** A line as it was pasted, or typed. */
export function withBreaks(line: string): string {
  return line.replaceAll(BREAK, '\n')
}
