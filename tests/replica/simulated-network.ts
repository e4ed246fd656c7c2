/**
 * A network between one primary and one mirror, in the hands of a random stream: frames are lost, doubled, delayed,
 * reordered and damaged, one by one and in both directions, and connections are cut. Frames of a closed connection may
 * still arrive.
 */
import type { Clock } from '../../src/lib/clock.ts'
import type { WireErrorCode } from '../../src/format/wire/messages.ts'
import type { MirrorApplier } from '../../src/replica/mirror/mirror-applier.ts'
import type { Connection, ConnectionEvents, ReplicaTransport } from '../../src/replica/link/transport.ts'
import { decodedFrames, wholeFrames } from './decoded-frames.ts'

export interface Weather {
  /** Of 1000 frames. */
  readonly lost: number
  readonly doubled: number
  readonly delayed: number
  readonly damaged: number
  /** Of 1000 batches: the connection is cut after a part of it. */
  readonly cut: number
  readonly latencyMs: number
  readonly delayMsMax: number
}

export const fairWeather: Weather = {
  lost: 0,
  doubled: 0,
  delayed: 0,
  damaged: 0,
  cut: 0,
  latencyMs: 0,
  delayMsMax: 0,
}

export class SimulatedNetwork implements ReplicaTransport {
  weather = fairWeather
  /** Null: nothing answers at the other end. */
  mirror: MirrorApplier | null = null
  readonly counts = { frames: 0, lost: 0, doubled: 0, delayed: 0, damaged: 0, cut: 0 }
  bytes = 0
  /** What the primary has sent, and where its connection is cut, once. */
  sentBytes = 0
  cutAtByte = Infinity
  /** What the mirror has refused, by code. */
  readonly errors = new Map<WireErrorCode, number>()
  private detach: () => void = () => {}
  private readonly open = new Set<SimulatedConnection>()

  constructor(
    readonly clock: Clock,
    private readonly below: (limit: number) => number,
  ) {}

  connect(_url: string, events: ConnectionEvents): Connection {
    const connection = new SimulatedConnection(this, events, () => this.open.delete(connection))
    this.open.add(connection)
    return connection
  }

  /** The mirror has another process now, or none. */
  attach(mirror: MirrorApplier | null): void {
    this.detach()
    this.mirror = mirror
    if (!mirror) return
    this.detach = mirror.onAnswer(() => {
      for (const frame of mirror.takeAnswers()) this.travel(frame, (bytes) => this.toPrimary(bytes))
    })
  }

  cutAll(): void {
    for (const connection of this.open) connection.fail('cut')
  }

  chance(perThousand: number, what: keyof SimulatedNetwork['counts']): boolean {
    const happens = perThousand > 0 && this.below(1000) < perThousand
    if (happens) this.counts[what]++
    return happens
  }

  /** One frame on its way: nothing, once or twice, now or later, as it is or not. */
  travel(frame: Uint8Array, arrive: (bytes: Uint8Array) => void): void {
    this.counts.frames++
    this.bytes += frame.length
    const { weather } = this
    if (this.chance(weather.lost, 'lost')) return
    const copies = this.chance(weather.doubled, 'doubled') ? 2 : 1
    for (let i = 0; i < copies; i++) {
      const extra = this.chance(weather.delayed, 'delayed') ? this.below(weather.delayMsMax + 1) : 0
      let bytes = frame
      if (this.chance(weather.damaged, 'damaged')) {
        bytes = frame.slice()
        bytes[this.below(bytes.length)]! ^= 1 << this.below(8)
      }
      this.clock.after(weather.latencyMs + extra, () => arrive(bytes))
    }
  }

  async toMirror(bytes: Uint8Array): Promise<void> {
    for (const frame of decodedFrames(bytes)) await this.mirror?.receive(frame)
  }

  /** How many bytes of this batch pass; null when all do. */
  cutPoint(bytes: number): number | null {
    this.sentBytes += bytes
    if (this.sentBytes > this.cutAtByte) {
      const passed = bytes - (this.sentBytes - this.cutAtByte)
      this.cutAtByte = Infinity
      return passed
    }
    return this.chance(this.weather.cut, 'cut') ? this.below(bytes) : null
  }

  private toPrimary(bytes: Uint8Array): void {
    for (const { message } of decodedFrames(bytes)) {
      if (message.kind === 'error') this.errors.set(message.code, (this.errors.get(message.code) ?? 0) + 1)
      for (const connection of this.open) connection.hear(message)
    }
  }
}

class SimulatedConnection implements Connection {
  private isOver = false
  private isSending = false

  constructor(
    private readonly network: SimulatedNetwork,
    private readonly events: ConnectionEvents,
    private readonly onClose: () => void,
  ) {}

  wake(): void {
    if (this.isSending || this.isOver) return
    this.isSending = true
    this.network.clock.after(0, () => {
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
    this.events.failed(reason)
  }

  hear(message: Parameters<ConnectionEvents['frame']>[0]): void {
    if (!this.isOver) this.events.frame(message)
  }

  private send(): void {
    if (this.isOver) return
    if (!this.network.mirror) return this.fail('nobody answers')
    const batch = this.events.take()
    if (!batch) return
    const bytes = Buffer.concat(batch.parts)
    const cut = this.network.cutPoint(bytes.length)
    const frames = wholeFrames(cut === null ? bytes : bytes.subarray(0, cut))
    for (const frame of frames) this.network.travel(frame, (arrived) => void this.network.toMirror(arrived))
    if (cut !== null) return this.fail('cut')
    this.network.clock.after(2 * this.network.weather.latencyMs, () => {
      if (this.isOver) return
      this.events.received()
      this.wake()
    })
    this.wake()
  }
}
