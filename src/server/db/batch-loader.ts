/**
 * Questions that arrive while one query is under way are answered together by the next: a thousand clients that come
 * back at once cost a few round trips. A query begins after each of its questions was asked, so that its answers are
 * as fresh as if each had been put alone.
 *
 * @param ask answers all questions, in their order
 * @param most questions that one query takes
 */
export function batchLoader<Question, Answer>(
  ask: (questions: Question[]) => Promise<Answer[]>,
  most: number
): (question: Question) => Promise<Answer> {
  interface Asked {
    question: Question
    resolve: (answer: Answer) => void
    reject: (error: unknown) => void
  }
  let waiting: Asked[] = []
  let running = false

  async function run(): Promise<void> {
    while (waiting.length > 0) {
      const asked = waiting.slice(0, most)
      waiting = waiting.slice(asked.length)
      try {
        const answers = await ask(asked.map(({ question }) => question))
        for (const [n, { resolve }] of asked.entries()) resolve(answers[n]!)
      } catch (error) {
        for (const { reject } of asked) reject(error)
      }
    }
    running = false
  }

  return (question) =>
    new Promise((resolve, reject) => {
      waiting.push({ question, resolve, reject })
      if (running) return
      running = true
      // Not at once: requests that are read in this turn of the event loop share the first query.
      setImmediate(() => void run())
    })
}
