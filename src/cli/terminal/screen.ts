import { clearScreenDown, createInterface, cursorTo, moveCursor, type Interface } from 'node:readline'
import type { Io } from './io.js'
import { columnsOf, laidOut } from './output.js'
import { PastedInput, withBreaks } from './pasted.js'

/** A terminal that shows lines above the one that is being typed. Without a terminal, it uses plain lines. */
export class Screen {
  readonly #io: Io
  readonly #readline: Interface
  readonly #lines: AsyncIterable<string>
  #isClosed = false
  #entered: (line: string) => string | undefined = () => undefined

  constructor(io: Io) {
    const { stdin, stdout: output, signal } = io
    const terminal = stdin.isTTY === true && output.isTTY === true
    const input = terminal ? new PastedInput(io) : stdin
    this.#io = io
    this.#readline = createInterface({ input, output, terminal, signal, prompt: '', historySize: 200 })
    // Created now, so that no line is lost that is typed before the first read.
    this.#lines = entered(this.#readline[Symbol.asyncIterator]())
    if (terminal) this.#readline.on('line', (line) => this.#replaceEntered(line))
    this.#readline.once('close', () => {
      this.#isClosed = true
      if (input instanceof PastedInput) input.close()
      // The next output begins on a line of its own.
      if (terminal) output.write('\n')
    })
  }

  /** Its width in cells. */
  get columns(): number {
    return columnsOf(this.#io.stdout)
  }

  /** The typed lines, until Ctrl-C, Ctrl-D or the end of the input. */
  lines(): AsyncIterable<string> {
    return this.#lines
  }

  /**
   * Show a line that was entered in another form, which must be sanitized already. @param form returns it, or
   * nothing if the line stays as it was typed
   */
  showEntered(form: (line: string) => string | undefined): void {
    this.#entered = form
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

  #draw({ line, prompt }: { line?: string | undefined; prompt?: string } = {}): void {
    const isTyping = !this.#isClosed && this.#readline.terminal
    if (isTyping) this.#clear(this.#readline.getCursorPos().rows)
    if (line !== undefined) this.#io.stdout.write(laidOut(line, this.#io.stdout, this.#io))
    if (prompt !== undefined) this.#readline.setPrompt(prompt)
    if (isTyping) this.#readline.prompt(true)
  }

  /** The cursor stands below the line that was entered. */
  #replaceEntered(entered: string): void {
    const line = this.#entered(withBreaks(entered))
    if (line !== undefined) this.#clear(this.#rowsOf(entered))
    this.#draw({ line })
  }

  /** How many rows a typed line takes, with the prompt. */
  #rowsOf(line: string): number {
    Object.assign(this.#readline, { line, cursor: line.length })
    const { rows } = this.#readline.getCursorPos()
    Object.assign(this.#readline, { line: '', cursor: 0 })
    return rows + 1
  }

  /** Erase the rows above the cursor and its own. */
  #clear(above: number): void {
    const { stdout } = this.#io
    moveCursor(stdout, 0, -above)
    cursorTo(stdout, 0)
    clearScreenDown(stdout)
    // Readline would also move up by the rows that it has counted, and it does not count pasted ones.
    Object.assign(this.#readline, { prevRows: 0 })
  }
}

async function* entered(lines: AsyncIterableIterator<string>): AsyncGenerator<string, void, undefined> {
  for await (const line of lines) yield withBreaks(line)
}
