/**
 * Calls of the runtime to the file system that fail as a test says: the call with a number, once, or that and every later
 * one. Only calls about a folder of the test count, so whatever else the process does goes on.
 */
import { spyOn } from 'bun:test'
import * as sync from 'node:fs'
import * as promises from 'node:fs/promises'
import { CallError } from './blockdev/fickle-kernel.ts'

const syncNames = [
  'openSync',
  'closeSync',
  'readFileSync',
  'readSync',
  'readlinkSync',
  'statSync',
  'symlinkSync',
  'lutimesSync',
  'ftruncateSync',
  'writeFileSync',
  'writeSync',
  'fstatSync',
  'lstatSync',
  'mkdirSync',
  'renameSync',
  'rmSync',
  'fchmodSync',
  'futimesSync',
  'chmodSync',
  'utimesSync',
] as const
const promiseNames = [
  'open',
  'stat',
  'lstat',
  'readFile',
  'readdir',
  'readlink',
  'symlink',
  'lutimes',
  'rename',
  'rm',
] as const
const handleNames: ReadonlySet<string> = new Set(['write', 'chmod', 'utimes', 'close', 'sync'])

export interface Failure {
  /** Number of the call, from 0. */
  readonly at: number
  readonly code: string
  /** Every later call fails as well. */
  readonly isForGood?: boolean
  /** Only calls of this name count, and the first so many of them fail. */
  readonly first?: { readonly name: string; readonly times: number }
}

type Call = (...given: unknown[]) => unknown

export class FailingCalls {
  /** Names of the calls so far. */
  readonly made: string[] = []
  private readonly descriptors = new Set<number>()
  private readonly spies: { mockRestore(): void }[] = []

  constructor(
    private readonly folder: string,
    private readonly failure: Failure | null,
  ) {
    for (const name of syncNames) this.replace(sync, name)
    for (const name of promiseNames) this.replace(promises, name)
  }

  /** Descriptors that were opened and not closed. */
  get open(): number {
    return this.descriptors.size
  }

  get hasFailed(): boolean {
    return this.failure !== null && this.made.length > this.failure.at
  }

  restore(): void {
    for (const spy of this.spies.splice(0)) spy.mockRestore()
  }

  private replace<M extends object>(module: M, name: keyof M & string): void {
    const real = module[name] as Call
    const isLater = module === (promises as object)
    const replaced: Call = (...given) => {
      if (!this.concerns(given)) return real(...given)
      if (isLater) return this.later(name, real, given)
      return this.atOnce(name, real, given)
    }
    this.spies.push(spyOn(module, name as never).mockImplementation(replaced as never))
  }

  private concerns(given: readonly unknown[]): boolean {
    return given.some(
      (value) =>
        (typeof value === 'string' && (value.startsWith(this.folder) || this.isBelow(value))) ||
        (typeof value === 'number' && value === given[0] && this.descriptors.has(value)),
    )
  }

  /** True for a path that begins at a descriptor of the folder. */
  private isBelow(path: string): boolean {
    const descriptor = /^\/proc\/self\/fd\/(\d+)/.exec(path)?.[1]
    return descriptor !== undefined && this.descriptors.has(Number(descriptor))
  }

  private atOnce(name: string, real: Call, given: readonly unknown[]): unknown {
    const error = this.next(name)
    // A close that fails has closed.
    if (name === 'closeSync') this.descriptors.delete(given[0] as number)
    if (error && name === 'closeSync') real(...given)
    if (error) throw error
    const result = real(...given)
    if (name === 'openSync') this.descriptors.add(result as number)
    return result
  }

  private async later(name: string, real: Call, given: readonly unknown[]): Promise<unknown> {
    const error = this.next(name)
    if (error) throw error
    const result = await real(...given)
    return name === 'open' ? this.watched(result as promises.FileHandle) : result
  }

  private watched(handle: promises.FileHandle): promises.FileHandle {
    const { fd } = handle
    this.descriptors.add(fd)
    return new Proxy(handle, {
      get: (target, name) => {
        const member = Reflect.get(target, name, target) as unknown
        if (typeof member !== 'function') return member
        const real = member.bind(target) as Call
        if (typeof name !== 'string' || !handleNames.has(name)) return real
        return async (...given: unknown[]) => {
          const error = this.next(name)
          if (name === 'close') this.descriptors.delete(fd)
          if (error && name === 'close') await real(...given)
          if (error) throw error
          return real(...given)
        }
      },
    })
  }

  private next(name: string): CallError | null {
    const at = this.made.length
    this.made.push(name)
    const { failure } = this
    if (failure === null) return null
    if (failure.first) {
      const nth = this.made.filter((made) => made === failure.first!.name).length
      return name === failure.first.name && nth <= failure.first.times ? new CallError(failure.code) : null
    }
    const fails = failure.isForGood === true ? at >= failure.at : at === failure.at
    return fails ? new CallError(failure.code) : null
  }
}

/** Runs the work with each of its calls failing in turn, once and for good, with each code. */
export async function withEachFailure(
  codes: readonly string[],
  run: (failure: Failure | null) => Promise<FailingCalls>,
): Promise<void> {
  const { length } = (await run(null)).made
  if (length === 0) throw new Error('the work makes no call')
  for (const code of codes)
    for (const isForGood of [false, true])
      for (let at = 0; at < length; at++) await run({ at, code, isForGood })
}
