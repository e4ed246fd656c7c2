/**
 * Runs what strangers wrote, one question at a time, in a process that is kept warm.
 *
 * - A question that takes longer than `msMax`, or whose sender has left, ends with its process: SQLite cannot be
 *   interrupted here. Another process is begun at once, so the next question finds it warm.
 * - A process that ends by itself, is killed by somebody, or answers what nobody asked fails the question that it has, and
 *   no other one.
 * - After `close` there is no process.
 *
 * Errors: `bad-sql`; `sql-limit` with the limit and its value; `catalog-unready`.
 */
import { assert } from '../../lib/assert.ts'
import type { Clock } from '../../lib/clock.ts'
import { StillpointError } from '../../lib/errors.ts'
import { logger } from '../../lib/log.ts'
import { limitNames, type Question, type RefusalHead, type SandboxSetting } from './question.ts'
import { type RowsAnswer, SandboxProcess } from './sandbox-process.ts'

const log = logger('catalog')

export const unready = (why: string): StillpointError =>
  new StillpointError('catalog-unready', `the catalog cannot be asked now: ${why}`)

const beyond = (limit: string, most: number): StillpointError =>
  new StillpointError('sql-limit', `the query needs more than ${most}, the limit of ${limit}`, {
    limit,
    most,
  })

function refusalOf(head: RefusalHead): StillpointError {
  switch (head.kind) {
    case 'bad':
      return new StillpointError('bad-sql', head.detail)
    case 'limit':
      return beyond(head.limit, head.most)
    case 'unready':
      return unready(head.detail)
  }
}

type Cut = 'time' | 'left' | 'closed'

export class Sandbox {
  private current: SandboxProcess | null = null
  private cut: ((why: Cut) => void) | null = null
  private isClosed = false
  private hasWarned = false

  constructor(
    private readonly setting: SandboxSetting,
    private readonly clock: Clock,
  ) {}

  /** Id of the process; null when there is none. */
  get pid(): number | null {
    return this.current?.pid ?? null
  }

  async ask(question: Question, left?: AbortSignal): Promise<RowsAnswer> {
    assert(this.cut === null, 'one question at a time')
    const { promise: isCut, resolve: cut } = Promise.withResolvers<Cut>()
    this.cut = cut
    const leave = (): void => cut('left')
    left?.addEventListener('abort', leave, { once: true })
    if (left?.aborted) leave()
    try {
      return await this.askCurrent(question, isCut)
    } finally {
      left?.removeEventListener('abort', leave)
      this.cut = null
    }
  }

  /** Ends the process, also in the middle of a question. */
  async close(): Promise<void> {
    this.isClosed = true
    this.cut?.('closed')
    await this.end()
  }

  private async askCurrent(question: Question, isCut: Promise<Cut>): Promise<RowsAnswer> {
    const running = this.warm()
    if (!(await Promise.race([running.ready, isCut.then(() => false)]))) {
      await this.end()
      throw unready('no process for queries has begun')
    }
    if (!running.isConfined && !this.hasWarned) {
      this.hasWarned = true
      log.warn('this system does not bound the memory of queries in SQL; their time is bounded')
    }
    const { msMax } = this.setting.bounds
    const { promise: isLate, resolve } = Promise.withResolvers<Cut>()
    const cancel = this.clock.after(msMax, () => resolve('time'))
    const answer = await Promise.race([running.ask(question), isCut, isLate])
    cancel()
    if (typeof answer === 'object' && answer !== null) {
      if (answer.kind === 'answer') return answer
      // Memory that was freed need not have gone back to the system.
      if (answer.kind === 'limit' && answer.limit === limitNames.memory) await this.renew()
      throw refusalOf(answer)
    }
    running.kill()
    const signal = await running.ended()
    await this.renew()
    if (answer === 'time' || signal === 'SIGXCPU') throw beyond(limitNames.ms, msMax)
    if (answer === null) log.warn('a process for queries has ended, or was ended for its answer', { signal })
    throw unready(answer === null ? 'the process of this query has ended' : 'the query was given up')
  }

  private warm(): SandboxProcess {
    if (this.isClosed) throw unready('the server is stopping')
    if (this.current) return this.current
    let begun: SandboxProcess
    try {
      begun = new SandboxProcess(this.setting, this.clock)
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      throw unready(`the system gives no process for queries (${reason})`)
    }
    this.current = begun
    // A process that is killed while nobody asks is replaced by the next question.
    const forget = (): void => {
      if (this.current === begun) this.current = null
    }
    begun.ended().then(forget, forget)
    return begun
  }

  private async renew(): Promise<void> {
    await this.end()
    if (!this.isClosed) this.warm()
  }

  private async end(): Promise<void> {
    const { current } = this
    this.current = null
    current?.kill()
    await current?.ended()
  }
}
