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
      const call = `${path}.${String(name)}`
      return (...given: unknown[]): unknown => {
        const thrown = new Set<unknown>()
        const fail = (error: unknown): never => {
          throw isAbort(given) || thrown.has(error) ? error : toChatError(error, call)
        }
        try {
          const result: unknown = Reflect.apply(
            value,
            target,
            given.map((one) => watched(one, thrown))
          )
          if (result instanceof Promise) return result.catch(fail)
          return isIterable(result) ? items(result, fail) : result
        } catch (error) {
          return fail(error)
        }
      }
    }
  })
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

/** Options whose functions note what they throw. */
function watched(given: unknown, thrown: Set<unknown>): unknown {
  if (typeof given !== 'object' || given === null || Object.getPrototypeOf(given) !== Object.prototype)
    return given
  const note = (error: unknown): never => {
    thrown.add(error)
    throw error
  }
  const watch =
    (call: (...args: unknown[]) => unknown) =>
    (...args: unknown[]) => {
      try {
        const result = call(...args)
        return result instanceof Promise ? result.catch(note) : result
      } catch (error) {
        return note(error)
      }
    }
  const entries = Object.entries(given).map(([name, value]): [string, unknown] => [
    name,
    typeof value === 'function' ? watch(value as (...args: unknown[]) => unknown) : value
  ])
  return Object.fromEntries(entries)
}

/** The signal of a caller ends a call with the caller's own reason. */
function isAbort(given: readonly unknown[]): boolean {
  return given.some((one) => (one as { signal?: AbortSignal } | null | undefined)?.signal?.aborted === true)
}

function isIterable(value: unknown): value is AsyncIterable<unknown> {
  return typeof value === 'object' && value !== null && Symbol.asyncIterator in value
}
