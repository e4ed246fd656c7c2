/** A volume on the fake engine, with what every test of files wants to do with one. */
import { type CheckedRoot, ItemCheck, type ItemReport } from '../../src/fs/tree/item-check.ts'
import type { Item } from '../../src/cp-engine/contract.ts'
import { VolumeFiles } from '../../src/fs/file-system.ts'
import type { OpenFile, ReadView } from '../../src/fs/contract.ts'
import { type Path, parsePlainPath } from '../../src/fs/paths.ts'
import type { Clock } from '../../src/lib/clock.ts'
import { hasCode } from '../../src/lib/errors.ts'
import { poisonWhatIsGivenBack } from '../noticing/poisoned.ts'
import { type Counts, expectQuiet, fileCounts } from '../noticing/quiet.ts'
import { FakeEngine } from './fake-engine.ts'
import { settled, stillClock } from '../simulated/clock.ts'
import type { FakeEngineOptions } from './fake-parts.ts'

poisonWhatIsGivenBack()

export const p = (text: string): Path => parsePlainPath(text)

export function checkItems(items: Iterable<Item>, root: CheckedRoot): ItemReport {
  const check = new ItemCheck(root)
  for (const item of items) check.add(item)
  return check.finish()
}

/** Time does not pass; waiting is a turn of the event loop. */
export const quickClock: Clock = { ...stillClock, sleep: settled, yield: settled }

/** Of what is remembered: so little that most of it leaves. */
const smallFilesBytesMax = 64 * 1024

export class FakeVolume {
  engine: FakeEngine
  files: VolumeFiles

  constructor(options: FakeEngineOptions = {}) {
    this.engine = new FakeEngine(options)
    this.files = new VolumeFiles(this.engine, quickClock, smallFilesBytesMax)
    this.files.start()
  }

  async reopen(): Promise<void> {
    await this.files.close()
    this.engine = this.engine.crash()
    this.files = new VolumeFiles(this.engine, quickClock, smallFilesBytesMax)
    this.files.start()
  }

  /** The reaper has nothing left; then nothing may be left of what is not reachable. */
  async settle(): Promise<void> {
    for (let i = 0; i < 20; i++) await quickClock.yield()
    // What was unlinked is taken once a root has it.
    while (this.files.pending().orphans > 0) {
      await this.engine.requestCp('requested')
      await quickClock.yield()
    }
  }

  async check(): Promise<string[]> {
    await this.settle()
    const report = checkItems(this.engine.items, this.openRoot())
    this.engine.assertSettled()
    await expectQuiet(() => this.counts())
    return report.orphans === 0
      ? [...report.problems]
      : [...report.problems, `${report.orphans} orphans are left`]
  }

  /** What a root would say that had the open tree. */
  openRoot(): CheckedRoot {
    const { opening, sequence, counters } = this.engine as unknown as CheckedRoot
    return { ...this.engine.current().root, opening, sequence, counters }
  }

  counts(): Counts {
    return fileCounts(this.files)
  }

  close(): Promise<void> {
    return this.files.close()
  }

  async with<T>(work: (view: ReadView) => Promise<T>): Promise<T> {
    const view = this.files.view()
    try {
      return await work(view)
    } finally {
      view.release()
    }
  }

  read(path: string): Promise<Uint8Array> {
    return this.with((view) => readAll(view, p(path)))
  }
}

export async function readAll(view: ReadView, path: Path): Promise<Uint8Array> {
  const file = await view.open(path)
  try {
    return await streamAll(file, 0, file.stat.size)
  } finally {
    file.close()
  }
}

export async function streamAll(file: OpenFile, start: number, end: number): Promise<Uint8Array> {
  const whole = new Uint8Array(Math.max(0, Math.min(end, file.stat.size) - start))
  let at = 0
  const stream = file.stream(start, end)
  for (let part = await stream.next(); part; part = await stream.next()) {
    whole.set(part, at)
    at += part.length
    if (at % 2 === 0) stream.readAhead()
    else stream.rest()
  }
  stream.close()
  if (at !== whole.length) throw new Error(`${at} bytes came instead of ${whole.length}`)
  return whole
}

/** Repeatable bytes that differ everywhere. */
export function bytesOf(length: number, seed = 1): Uint8Array {
  // Every third is what zstd makes much shorter.
  const kept = seed % 3 === 2 ? 3 : 255
  const bytes = new Uint8Array(length)
  let state = (seed * 2654435761) >>> 0
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    bytes[i] = (state >>> 24) & kept
  }
  return bytes
}

/** The body as it comes over the wire: in chunks of odd sizes. */
export async function* chunked(bytes: Uint8Array, chunkBytes: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += chunkBytes) {
    await Promise.resolve()
    yield bytes.slice(at, at + chunkBytes)
  }
}

export async function codeOf(work: Promise<unknown>): Promise<string> {
  try {
    await work
    return 'ok'
  } catch (error) {
    if (error instanceof Error && 'code' in error && hasCode(error, error.code as 'internal'))
      return error.code
    throw error
  }
}
