/**
 * A short standard run: a first copy, and two CPs behind it. Its connection is cut after any number of bytes, either
 * way: the mirror stays on the CP that it shows, and finishes when the primary is back.
 */
import { toHex } from '../../src/lib/bytes.ts'
import { hasCode } from '../../src/lib/errors.ts'
import { Volume } from '../../src/cp-engine/volume/volume.ts'
import { readPublished } from '../../src/fs/read/read-view.ts'
import { FrameStream } from '../../src/replica/link/frame-stream.ts'
import { MirrorApplier } from '../../src/replica/mirror/mirror-applier.ts'
import type { Connection, ConnectionEvents, ReplicaTransport } from '../../src/replica/link/transport.ts'
import { SimulatedDevice } from '../simulated/simulated-device.ts'
import { Chance } from './chance.ts'
import { mustBeSound } from './checks.ts'
import { compareAll } from './compare.ts'
import { EventLoop, ProcessClock } from './event-loop.ts'
import { History } from './history.ts'
import { engineMirrors } from '../replica/engine-mirrors.ts'
import { SmallProcess, type SmallVolumes, put } from './small-volume.ts'
import { must } from './violation.ts'
import { cacheLimit, mirrorLimit } from '../engine-limits.ts'

export type Way = 'frames' | 'answers'

const convergeMsMax = 60_000

/** One line that keeps the order of its bytes, as TCP does, and breaks once. */
class BrittleLine implements ReplicaTransport {
  readonly sent: Record<Way, number> = { frames: 0, answers: 0 }
  private current: BrittleConnection | null = null
  cuts = 0

  constructor(
    private readonly loop: EventLoop,
    readonly applier: MirrorApplier,
    private readonly way: Way,
    /** After so many bytes this way. */
    private readonly cutAt: number,
  ) {
    applier.onAnswer(() => this.loop.after(0, () => this.current?.answer()))
  }

  connect(_url: string, events: ConnectionEvents): Connection {
    this.current = new BrittleConnection(this, this.loop, events)
    return this.current
  }

  /** How much of it arrives; less than all of it when the line breaks here. */
  passes(way: Way, bytes: number): number {
    const before = this.sent[way]
    this.sent[way] += bytes
    if (this.cuts > 0 || way !== this.way || this.sent[way] <= this.cutAt) return bytes
    this.cuts++
    return this.cutAt - before
  }
}

class BrittleConnection implements Connection {
  private readonly toMirror = new FrameStream()
  private readonly toPrimary = new FrameStream()
  private isOver = false
  private isDue = false

  constructor(
    private readonly line: BrittleLine,
    private readonly loop: EventLoop,
    private readonly events: ConnectionEvents,
  ) {}

  wake(): void {
    if (this.isDue || this.isOver) return
    this.isDue = true
    this.loop.after(0, () => {
      this.isDue = false
      this.send()
    })
  }

  close(): void {
    this.isOver = true
  }

  answer(): void {
    if (this.isOver) return
    const bytes = Buffer.concat(this.line.applier.takeAnswers())
    const passing = this.line.passes('answers', bytes.length)
    for (const { message } of this.toPrimary.push(bytes.subarray(0, passing)))
      if (!this.isOver) this.events.frame(message)
    if (passing < bytes.length) this.fail()
  }

  private send(): void {
    const batch = this.isOver ? null : this.events.take()
    if (!batch) return
    const bytes = Buffer.concat(batch.parts)
    const passing = this.line.passes('frames', bytes.length)
    for (const frame of this.toMirror.push(bytes.subarray(0, passing)))
      this.loop.background(this.line.applier.receive(frame))
    if (passing < bytes.length) return this.fail()
    this.loop.after(0, () => {
      if (this.isOver) return
      this.events.received()
      this.wake()
    })
    this.wake()
  }

  private fail(): void {
    if (this.isOver) return
    this.isOver = true
    this.loop.after(0, () => this.events.failed('the connection was cut'))
  }
}

export interface CutRun {
  readonly bytes: Readonly<Record<Way, number>>
  readonly cuts: number
  readonly published: number
}

/** `cutAt` beyond the end: the run as it is. */
export async function cutRun(volumes: SmallVolumes, way: Way, cutAt: number): Promise<CutRun> {
  const loop = new EventLoop()
  const history = new History()
  const device = new SimulatedDevice({ image: volumes.primary })
  const process = await SmallProcess.open(device, history, 'opening', {}, loop)
  const { engine, clock } = process
  const mirrorDevice = new SimulatedDevice({ image: volumes.mirror })
  const mirrorClock = new ProcessClock(loop)
  const volume = await Volume.open(mirrorDevice, { clock: mirrorClock, ...cacheLimit })
  const applier = new MirrorApplier(volume, {
    ...mirrorLimit,
    clock: mirrorClock,
    random: new Chance('sessions'),
    onFailed: (error) => loop.fail(error),
  })
  const line = new BrittleLine(loop, applier, way, cutAt)
  const mirrors = engineMirrors(engine, { clock, transport: line, random: new Chance('shipper') })

  const roots = new Map<number, string>()
  const remember = () => void roots.set(engine.current().root.cp, toHex(engine.current().hash))
  let published = 0
  let last = 0
  engine.onPublished(remember)
  volume.onPublished((event) => {
    const { root, hash } = event.published
    must(root.cp > last && roots.get(root.cp) === toHex(hash), `the mirror shows a cp ${root.cp} of its own`)
    last = root.cp
    published++
    loop.background(readMirror(volume, history))
  })

  await process.finished(
    (async () => {
      await process.ask({ operation: put('a', 3000), level: 'buffered' })
      await process.ask({ operation: put('d/b', 9000), level: 'committed' })
    })(),
  )
  loop.background(mirrors.add('mirror'))
  mirrors.start()
  const hasAll = () => volume.currentOrNull()?.root.cp === engine.current().root.cp
  const meet = async () => must(await loop.until(hasAll, convergeMsMax), `never equal, cut at ${cutAt}`)
  await meet()
  await process.finished(process.ask({ operation: put('a', 100), level: 'committed' }))
  await meet()
  await process.finished(process.ask({ operation: put('d/c', 5000), level: 'committed' }))
  await meet()
  await loop.pass(200)
  mirrors.close()
  await process.finished(readMirror(volume, history))
  await process.finished(mustBeSound(mirrorDevice, `cut at ${cutAt}`))
  return { bytes: line.sent, cuts: line.cuts, published }
}

async function readMirror(volume: Volume, history: History): Promise<void> {
  const current = volume.current()
  const view = readPublished(volume, current)
  try {
    await compareAll(view, history.stateAt(current.root.sequence), history, 'the mirror')
  } catch (error) {
    // A frame that was cut is no damage: nothing here may be corrupt.
    must(!hasCode(error, 'corrupt'), () => `the mirror at cp ${current.root.cp}: ${String(error)}`)
    throw error
  } finally {
    view.release()
  }
}
