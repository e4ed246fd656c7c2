/** A volume of a few files, what may be asked of it, and what must be true when it has been opened again. */
import { createMirror, createPrimary } from '../../src/cp-engine/create-volume.ts'
import type { CpEngine } from '../../src/cp-engine/cp-engine.ts'
import { type OpenPrimaryOptions, openPrimary } from '../../src/cp-engine/open-primary.ts'
import { VolumeFiles } from '../../src/fs/file-system.ts'
import { readPublished } from '../../src/fs/read/read-view.ts'
import { makeGeometry } from '../../src/format/geometry.ts'
import { type Image, nothingSurvives } from '../simulated/crash-image.ts'
import { SimulatedDevice } from '../simulated/simulated-device.ts'
import { Chance } from './chance.ts'
import { mustBeSound, mustNotLeak } from './checks.ts'
import { compareAll } from './compare.ts'
import { EventLoop, ProcessClock } from './event-loop.ts'
import { type FileOperation, perform } from './file-operations.ts'
import { History, type Reached } from './history.ts'
import { asRequest, observedEngine } from './observed-engine.ts'
import { SmallPair } from './small-pair.ts'
import { must } from './violation.ts'
import { engineLimits } from '../engine-limits.ts'

export interface Asked {
  readonly operation: FileOperation
  readonly level: Reached
}

const geometry = makeGeometry(8 * 2 ** 20, 2 ** 20, 2 ** 20)

export const put = (path: string, length: number, chunkBytes = 0): FileOperation => ({
  op: 'put',
  path: path.split('/'),
  content: { length, seed: length + path.length },
  when: 'always',
  chunkBytes,
  isLengthTold: true,
})

/** An empty primary and an empty mirror; made once for many runs. */
export interface SmallVolumes {
  readonly primary: Image
  readonly mirror: Image
}

export async function makeSmallVolumes(): Promise<SmallVolumes> {
  const random = new Chance('small volume')
  const clock = new ProcessClock(new EventLoop())
  const primary = new SimulatedDevice()
  await createPrimary(primary, { clock, random, geometry, recordChecksum: 'xxh3' })
  const mirror = new SimulatedDevice()
  await createMirror(mirror, { clock, random, geometry })
  return { primary: primary.image(nothingSurvives), mirror: mirror.image(nothingSurvives) }
}

/** No CP comes by itself. `name` makes the nonce: each opening of one volume needs its own. */
export const openSmall = (
  device: SimulatedDevice,
  clock: ProcessClock,
  name: string,
  options: Partial<OpenPrimaryOptions> = {},
): Promise<CpEngine> =>
  openPrimary(device, {
    ...engineLimits,
    clock,
    random: new Chance(name),
    cpIntervalMs: 1e9,
    nodeCacheBytesMax: 2 ** 20,
    ...options,
  })

/** A process on a small volume, with a client that asks for one thing after the other. */
export class SmallProcess {
  private constructor(
    readonly loop: EventLoop,
    readonly clock: ProcessClock,
    readonly engine: CpEngine,
    readonly files: VolumeFiles,
    readonly history: History,
  ) {}

  static async open(
    device: SimulatedDevice,
    history: History,
    name: string,
    options: Partial<OpenPrimaryOptions> = {},
    loop = new EventLoop(),
  ): Promise<SmallProcess> {
    const clock = new ProcessClock(loop)
    const engine = await finished(loop, openSmall(device, clock, name, options))
    const files = new VolumeFiles(observedEngine(engine, history), clock)
    files.start()
    return new SmallProcess(loop, clock, engine, files, history)
  }

  finished<T>(work: Promise<T>): Promise<T> {
    return finished(this.loop, work)
  }

  /** The answer is remembered; a failure is the caller's. */
  async ask({ operation, level }: Asked, pair: SmallPair | null = null): Promise<void> {
    const { engine, files, history } = this
    const request = history.request('the client', operation)
    const { applied } = await asRequest(request, () => perform(files, operation, history.etagOf))
    const own = level === 'mirrored' ? 'committed' : level
    const reached = await engine.reach(applied, own)
    if (level === 'mirrored') await pair!.mirrored(applied)
    history.answered(request, level === 'mirrored' ? 'mirrored' : reached, applied.cp, applied.sequence)
  }

  /** The reaper has done its work, and there was a last CP. */
  async end(): Promise<void> {
    const { loop, files, engine } = this
    const isIdle = () => files.pending().orphans === 0 || engine.isPoisoned
    // What is unlinked is taken when a CP has it as an orphan.
    for (let round = 0; !(await loop.until(isIdle, 50)); round++) {
      must(round < 20, 'the reaper ends')
      await this.finished(engine.requestCp('requested'))
    }
    await this.finished(engine.close())
    await this.finished(files.close())
  }
}

export async function finished<T>(loop: EventLoop, work: Promise<T>): Promise<T> {
  let isDone = false
  const done = () => void (isDone = true)
  work.then(done, done)
  must(await loop.until(() => isDone, 600_000), 'whatever is begun ends')
  return work
}

/** After an open: everything that was acknowledged is there, nothing is there in part, and the volume is sound. */
export async function verifyOpened(
  engine: CpEngine,
  device: SimulatedDevice,
  history: History,
  durable: number,
): Promise<void> {
  const { root } = engine.current()
  const where = `after operation ${root.sequence}`
  must(
    root.sequence >= durable,
    () => `operation ${durable} was acknowledged; after the open there is ${root.sequence}`,
  )
  must(history.isKnown(root.sequence), () => `operation ${root.sequence} is there in part`)
  const view = readPublished(engine, engine.current())
  await compareAll(view, history.stateAt(root.sequence), history, where)
  view.release()
  await mustBeSound(device, where)
  mustNotLeak(engine, where)
}

/** No version and no cp that was promised before is given to what comes after. */
export async function writeAgain(engine: CpEngine, clock: ProcessClock, history: History): Promise<void> {
  const files = new VolumeFiles(engine, clock)
  const { applied, etag } = await perform(files, put('after', 20), history.etagOf)
  must(etag !== null && history.isFresh(etag), () => `the version ${etag} is given again`)
  must(applied.cp > history.promisedCp, () => `cp ${applied.cp} was promised before`)
  await engine.reach(applied, 'logged')
  const { root } = await engine.requestCp('requested')
  must(root.cp >= applied.cp, 'what was promised is published')
}
