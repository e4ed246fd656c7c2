/** The bench's end of the load generator. Jobs run one after the other. */
import { join } from 'node:path'
import type { Job, ResultOf } from '../load/jobs.ts'
import { bunPath } from './machine.ts'
import type { Child, Processes } from './processes.ts'

const jobMsMax = 15 * 60_000

export class Generator {
  private constructor(private readonly child: Child) {}

  /** `cores`: as taskset wants them; null leaves it to the kernel. */
  static async start(processes: Processes, cores: string | null = null): Promise<Generator> {
    const pinned = cores === null ? [] : ['taskset', '-c', cores]
    const command = [...pinned, bunPath, '--no-orphans', join(import.meta.dir, '../load/main.ts')]
    const { child } = await processes.start({ command, ready: /^ready$/, takesInput: true })
    return new Generator(child)
  }

  async run<J extends Job>(job: J): Promise<ResultOf<J>> {
    await this.child.say(JSON.stringify(job))
    const line = await this.child.lines.next(jobMsMax)
    if (line === null) throw new Error(`the load generator has not answered: ${this.child.errors}`)
    const answer = JSON.parse(line) as { readonly result?: ResultOf<J>; readonly error?: string }
    if (answer.result === undefined) throw new Error(answer.error ?? line)
    return answer.result
  }

  stop(): Promise<void> {
    return this.child.stop()
  }
}
