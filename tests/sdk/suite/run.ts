/** Runs every case of the suite, and tells how each went. */
import { cases } from './cases.ts'
import { type Config, worldOf } from './world.ts'

export interface Outcome {
  readonly name: string
  readonly ms: number
  /** Null when the case passed. */
  readonly failure: string | null
}

export async function runSuite(config: Config): Promise<Outcome[]> {
  const outcomes: Outcome[] = []
  for (const [i, [name, body]] of Object.entries(cases).entries()) {
    const began = performance.now()
    let failure: string | null = null
    try {
      await body(worldOf(config, `case ${i}`))
    } catch (error) {
      failure = error instanceof Error ? `${error.stack ?? error.message}` : String(error)
    }
    outcomes.push({ name, ms: Math.round(performance.now() - began), failure })
  }
  return outcomes
}
