import { ChatError } from './errors.js'

/**
 * A part of the client as programs get it: a call that fails throws a `ChatError`. Most arguments are checked by their
 * types only, so what a program without types gives wrongly fails somewhere inside, and is told here. An error that a
 * function of the program throws passes as it is.
 *
 * @param path its name in a program, such as `chat.devices`
 */
export function publicPart<T extends object>(part: T, path: string): T {
  return new Proxy(part, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target)
      if (typeof value !== 'function' || name === 'constructor') return value
      return publicCall(
        (...given) => Reflect.apply(value, target, given) as unknown,
        `${path}.${String(name)}`
      )
    }
  })
}

/** A call as `publicPart` makes it, of a function that belongs to no part. @param name its name in a program */
export function publicCall<Given extends unknown[], Result>(
  call: (...given: Given) => Result,
  name: string
): (...given: Given) => Result {
  return (...given) => {
    const thrown = new Set<unknown>()
    const fail = (error: unknown): never => {
      throw isAbort(given) || thrown.has(error) ? error : toChatError(error, name)
    }
    try {
      const result = call(...(given.map((one) => watched(one, thrown)) as Given))
      if (result instanceof Promise) return result.catch(fail) as Result
      return isIterable(result) ? (items(result, fail) as Result) : result
    } catch (error) {
      return fail(error)
    }
  }
}

/** An error as the SDK throws it. @param call the call that failed */
export function toChatError(error: unknown, call: string): ChatError {
  if (error instanceof ChatError) return error
  const reason = error instanceof Error ? error.message : String(error)
  return new ChatError('usage', 'invalid-argument', `\`${call}\` failed: ${reason}`, {
    hint: 'Compare what it was given with its types. If that is right, this is a fault of the SDK: `cause` says where.',
    cause: error
  })
}

async function* items(from: AsyncIterable<unknown>, fail: (error: unknown) => never) {
  try {
    yield* from
  } catch (error) {
    fail(error)
  }
}

type Call = (...args: unknown[]) => unknown

/** Functions, options with functions, and sources of bytes: they note what they throw. */
function watched(given: unknown, thrown: Set<unknown>): unknown {
  const note = (error: unknown): never => {
    thrown.add(error)
    throw error
  }
  /** A function may give a source of bytes. */
  const watch =
    (call: Call): Call =>
    (...args) => {
      try {
        const result = call(...args)
        return result instanceof Promise ? result.then(source, note) : source(result)
      } catch (error) {
        return note(error)
      }
    }
  const source = (one: unknown): unknown => {
    if (isIterable(one))
      return { [Symbol.asyncIterator]: () => watchedReader(one[Symbol.asyncIterator](), watch) }
    return hasReader(one) ? { getReader: () => watchedReader(one.getReader(), watch) } : one
  }
  if (typeof given === 'function') return watch(given as Call)
  const asSource = source(given)
  if (asSource !== given || !isPlain(given)) return asSource
  const entries = Object.entries(given).map(([name, value]): [string, unknown] => [
    name,
    typeof value === 'function' ? watch(value as Call) : value
  ])
  return Object.fromEntries(entries)
}

/** An iterator, or the reader of a stream, of which each call is watched. */
function watchedReader<T extends object>(reader: T, watch: (call: Call) => Call): T {
  return new Proxy(reader, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target)
      return typeof value === 'function' ? watch((value as Call).bind(target)) : value
    }
  })
}

function isPlain(value: unknown): value is object {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype
}

function hasReader(value: unknown): value is { getReader: () => object } {
  return typeof (value as { getReader?: unknown } | null | undefined)?.getReader === 'function'
}

/** The signal of a caller ends a call with the caller's own reason. */
function isAbort(given: readonly unknown[]): boolean {
  return given.some((one) => (one as { signal?: AbortSignal } | null | undefined)?.signal?.aborted === true)
}

function isIterable(value: unknown): value is AsyncIterable<unknown> {
  return typeof value === 'object' && value !== null && Symbol.asyncIterator in value
}
