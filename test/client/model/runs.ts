import fc from 'fast-check'
import type { Test } from 'tap'

/** With `MODEL_SECONDS`, a model searches at random for that time. Else it makes the same runs each time. */
const seconds = process.env['MODEL_SECONDS']
const seed = process.env['MODEL_SEED'] ?? (seconds === undefined ? '1' : undefined)
/** The path of a failure, to see it once more. */
const path = process.env['MODEL_PATH']
export const RUNS = process.env['FULL'] === '1' ? 60 : 10

/** How long a model may run. */
export const limitMs = 1000 * Number(seconds ?? 45)

/**
 * Run a model with random steps, in groups. A failure shows the log of the shortest run that fails.
 *
 * @param rows steps that come one after the other, each by itself, in the place of a group now and then
 * @param runs if no time is given
 */
export async function checkRuns<S>(
  t: Test,
  step: fc.Arbitrary<S>,
  run: (groups: readonly (readonly S[])[]) => Promise<void>,
  rows?: fc.Arbitrary<S[]>,
  runs = RUNS
): Promise<void> {
  const group = fc.array(step, { minLength: 1, maxLength: 2 }).map((steps) => [steps])
  const row = rows?.map((steps) => steps.map((one) => [one]))
  const any =
    row === undefined ? group : fc.oneof({ weight: 12, arbitrary: group }, { weight: 1, arbitrary: row })
  const groups = fc
    .array(any, { maxLength: row === undefined ? 30 : 24, size: 'max' })
    .map((all) => all.flat())
  const { failed, error, counterexamplePath, numRuns, ...details } = await checked()
  t.comment(`${numRuns} runs, seed ${details.seed}`)
  if (!failed) return
  const [why, ...log] = (error instanceof Error ? error.message : String(error)).split('\n')
  for (const line of log) t.comment(line)
  t.fail(`${why}; seed ${details.seed}, path ${counterexamplePath}`, { found: error })

  async function checked() {
    const result = await fc.check(fc.asyncProperty(groups, run), {
      numRuns: seconds === undefined ? runs : 1_000_000,
      interruptAfterTimeLimit: limitMs,
      ...(seed !== undefined && { seed: Number(seed) }),
      ...(path !== undefined && { path })
    })
    const { errorInstance } = result
    return { ...result, failed: result.failed && errorInstance !== null, error: errorInstance }
  }
}
