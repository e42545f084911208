import { clearScreenDown, createInterface, cursorTo, moveCursor, type Interface } from 'node:readline'
import type { Io } from './io.js'

/** A terminal that shows lines above the one that is being typed. Without a terminal, it uses plain lines. */
export class Screen {
  readonly #io: Io
  readonly #readline: Interface
  readonly #lines: AsyncIterable<string>
  #isClosed = false

  constructor(io: Io) {
    const { stdin: input, stdout: output, signal } = io
    const terminal = input.isTTY === true && output.isTTY === true
    this.#io = io
    this.#readline = createInterface({ input, output, terminal, signal, prompt: '', historySize: 200 })
    // Created now, so that no line is lost that is typed before the first read.
    const lines = this.#readline[Symbol.asyncIterator]()
    this.#lines = { [Symbol.asyncIterator]: () => lines }
    this.#readline.once('close', () => {
      this.#isClosed = true
      // The next output begins on a line of its own.
      if (terminal) output.write('\n')
    })
  }

  /** The typed lines, until Ctrl-C, Ctrl-D or the end of the input. */
  async *lines(): AsyncGenerator<string, void, undefined> {
    for await (const line of this.#lines) {
      this.#draw()
      yield line
    }
  }

  /** Show a prompt before the line that is being typed. It must be sanitized already. */
  setPrompt(prompt: string): void {
    if (prompt !== this.#readline.getPrompt()) this.#draw({ prompt })
  }

  /** Write a line above the one that is being typed. It must be sanitized already. */
  show(line: string): void {
    this.#draw({ line })
  }

  /** Stop reading. An unfinished line stays on the screen. */
  close(): void {
    this.#readline.close()
  }

  #draw({ line, prompt }: { line?: string; prompt?: string } = {}): void {
    const isTyping = !this.#isClosed && this.#readline.terminal
    if (isTyping) this.#clear()
    if (line !== undefined) this.#io.stdout.write(`${line}\n`)
    if (prompt !== undefined) this.#readline.setPrompt(prompt)
    if (isTyping) this.#readline.prompt(true)
  }

  /** Erase the line that is being typed, on all its rows. */
  #clear(): void {
    const { stdout } = this.#io
    moveCursor(stdout, 0, -this.#readline.getCursorPos().rows)
    cursorTo(stdout, 0)
    clearScreenDown(stdout)
    // Readline would also move up by the rows that it has counted, and it does not count pasted ones.
    Object.assign(this.#readline, { prevRows: 0 })
  }
}
