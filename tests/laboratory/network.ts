/**
 * The network between one primary and its mirrors, one line for each mirror, both ways on its own: frames are lost,
 * doubled, delayed, overtaken, damaged, cut and replayed from long ago; a way is closed for a while, or both.
 *
 * Frames in flight belong to nobody: they arrive at whatever process answers there by then, also at the next one.
 */
import type { MirrorApplier } from '../../src/replica/mirror/mirror-applier.ts'
import type { Connection, ConnectionEvents, ReplicaTransport } from '../../src/replica/link/transport.ts'
import { decodedFrames, wholeFrames } from '../replica/decoded-frames.ts'
import type { Chance } from './chance.ts'
import type { EventLoop, ProcessClock } from './event-loop.ts'
import type { Trace } from './trace.ts'

/** Of a million frames; `cut` of a million batches. */
export interface Weather {
  readonly lost: number
  readonly doubled: number
  readonly delayed: number
  readonly damaged: number
  readonly replayed: number
  readonly cut: number
  readonly latencyMsMax: number
  readonly delayMsMax: number
}

export const fairWeather: Weather = {
  lost: 0,
  doubled: 0,
  delayed: 0,
  damaged: 0,
  replayed: 0,
  cut: 0,
  latencyMsMax: 1,
  delayMsMax: 0,
}

/** Who answers at the other end of a line. */
export interface Listener {
  readonly applier: MirrorApplier
  readonly clock: ProcessClock
}

type Way = 'to the mirror' | 'to the primary'

const remembered = 200

export class Line {
  weather = fairWeather
  readonly isClosed: Record<Way, boolean> = { 'to the mirror': false, 'to the primary': false }
  private listener: Listener | null = null
  private readonly open = new Set<LineConnection>()
  private readonly past: Record<Way, Uint8Array[]> = { 'to the mirror': [], 'to the primary': [] }
  readonly counts = new Map<string, number>()
  bytes = 0
  frames = 0

  constructor(
    readonly url: string,
    readonly loop: EventLoop,
    private readonly chance: Chance,
    private readonly trace: Trace,
  ) {}

  listen(listener: Listener | null): void {
    this.listener = listener
    listener?.applier.onAnswer(() => {
      if (this.listener !== listener) return
      for (const frame of listener.applier.takeAnswers()) this.send(frame, 'to the primary')
    })
  }

  get isAnswered(): boolean {
    return this.listener !== null
  }

  connect(events: ConnectionEvents, clock: ProcessClock): Connection {
    const connection = new LineConnection(this, events, clock, () => this.open.delete(connection))
    this.open.add(connection)
    return connection
  }

  cutAll(): void {
    for (const connection of this.open) connection.fail('the connection was cut')
  }

  /** A dead primary hears nothing any more; what it sent may still arrive. */
  forgetConnections(): void {
    for (const connection of this.open) connection.close()
  }

  happens(what: 'lost' | 'doubled' | 'delayed' | 'damaged' | 'replayed' | 'cut'): boolean {
    const isSo = this.chance.happens(this.weather[what])
    if (isSo) this.counts.set(what, (this.counts.get(what) ?? 0) + 1)
    return isSo
  }

  below(limit: number): number {
    return this.chance.below(limit)
  }

  send(frame: Uint8Array, way: Way): void {
    this.frames++
    this.bytes += frame.length
    this.trace.note(`${this.url} ${way} ${frame.length} ${Bun.hash.xxHash3(frame)}`)
    const past = this.past[way]
    past.push(frame)
    if (past.length > remembered) past.splice(this.below(past.length), 1)
    if (this.happens('lost')) return
    const copies = this.happens('doubled') ? 2 : 1
    for (let i = 0; i < copies; i++) this.deliver(this.happens('damaged') ? this.damaged(frame) : frame, way)
    if (this.happens('replayed')) this.deliver(past[this.below(past.length)]!, way)
  }

  latencyMs(): number {
    return this.below(this.weather.latencyMsMax + 1)
  }

  private deliver(frame: Uint8Array, way: Way): void {
    const extra = this.happens('delayed') ? this.below(this.weather.delayMsMax + 1) : 0
    this.loop.after(this.latencyMs() + extra, () => {
      if (this.isClosed[way]) return
      if (way === 'to the primary') this.toPrimary(frame)
      else this.toMirror(frame)
    })
  }

  private toMirror(bytes: Uint8Array): void {
    const { listener } = this
    if (!listener) return
    listener.clock.after(0, () => {
      for (const frame of decodedFrames(bytes)) this.loop.background(listener.applier.receive(frame))
    })
  }

  private toPrimary(bytes: Uint8Array): void {
    for (const { message } of decodedFrames(bytes))
      for (const connection of this.open) connection.hear(message)
  }

  private damaged(frame: Uint8Array): Uint8Array {
    const bytes = frame.slice()
    bytes[this.below(bytes.length)]! ^= 1 << this.below(8)
    return bytes
  }
}

export class Network {
  readonly lines = new Map<string, Line>()

  constructor(loop: EventLoop, chance: Chance, trace: Trace, urls: readonly string[]) {
    for (const url of urls) this.lines.set(url, new Line(url, loop, chance.of(url), trace))
  }

  /** For one process of the primary. */
  transport(clock: ProcessClock): ReplicaTransport {
    return { connect: (url, events) => this.lines.get(url)!.connect(events, clock) }
  }
}

class LineConnection implements Connection {
  private isOver = false
  private isSending = false

  constructor(
    private readonly line: Line,
    private readonly events: ConnectionEvents,
    private readonly clock: ProcessClock,
    private readonly onClose: () => void,
  ) {}

  wake(): void {
    if (this.isSending || this.isOver) return
    this.isSending = true
    this.clock.after(0, () => {
      this.isSending = false
      this.send()
    })
  }

  close(): void {
    this.isOver = true
    this.onClose()
  }

  fail(reason: string): void {
    if (this.isOver) return
    this.close()
    this.clock.after(0, () => this.events.failed(reason))
  }

  hear(message: Parameters<ConnectionEvents['frame']>[0]): void {
    this.clock.after(0, () => {
      if (!this.isOver) this.events.frame(message)
    })
  }

  private send(): void {
    if (this.isOver) return
    if (!this.line.isAnswered) return this.fail('nobody answers')
    const batch = this.events.take()
    if (!batch) return
    const bytes = Buffer.concat(batch.parts)
    const isCut = this.line.happens('cut')
    const whole = isCut ? bytes.subarray(0, this.line.below(bytes.length)) : bytes
    for (const frame of wholeFrames(whole)) this.line.send(frame, 'to the mirror')
    if (isCut) return this.fail('cut')
    this.clock.after(this.line.latencyMs() + this.line.latencyMs(), () => {
      if (this.isOver || this.line.isClosed['to the mirror'] || this.line.isClosed['to the primary']) return
      this.events.received()
      this.wake()
    })
    this.wake()
  }
}
