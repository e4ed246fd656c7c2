/** The primary's machine for one mirror, with facts that a test sets and a mirror that says what it is told. */
import { expect } from 'bun:test'
import { seededRandom } from '../../../src/lib/random.ts'
import type { PublishedRoot, WriteCommand } from '../../../src/cp-engine/contract.ts'
import { blockBytes } from '../../../src/format/geometry.ts'
import {
  type FrameBody,
  type Message,
  type MirrorStatus,
  nowhere,
  samePosition,
} from '../../../src/format/wire/messages.ts'
import { FrameStream } from '../../../src/replica/link/frame-stream.ts'
import { Shipper } from '../../../src/replica/primary/shipper.ts'
import {
  type ShipperAction,
  type ShipperEvent,
  shipperLimits,
  type ShipperFacts,
} from '../../../src/replica/primary/shipper-events.ts'
import {
  base as root5,
  epoch,
  geometry,
  positionOf,
  rootOf,
  uuid,
  volumeUuid,
} from '../mirror/applier-scene.ts'
import { idleStatus } from '../idle-status.ts'

export const containing = (text: string): unknown => expect.stringContaining(text)
export const side = uuid()
export const mirror = uuid()
export const limits = { ...shipperLimits, outboxBytesMax: 8 * blockBytes, silenceMsMax: 60_000 }
export const root6 = rootOf(6, root5)
export const root7 = rootOf(7, root6)
export const root8 = rootOf(8, root7)

export class Stage {
  nowMs = 0
  /** Of this volume, and not known to this primary. */
  lostCp = 0
  readonly shipper: Shipper
  private number = 0

  constructor(
    public current = root5,
    /** What the primary still retains, and so can find. */
    public retained: PublishedRoot[] = [root5],
    public held: readonly PublishedRoot[] = [],
    member: string | null = mirror,
  ) {
    const facts: ShipperFacts = {
      volume: volumeUuid,
      side,
      geometry,
      epoch: () => epoch,
      hasLost: ({ cp }: { cp: number }) => cp === this.lostCp,
      differenceBlocks: (target, base) => target.root.cp - (base?.root.cp ?? 0),
      patches: null,
      current: () => this.current,
      find: (position: { cp: number; hash: Uint8Array }) =>
        [...this.held, ...this.retained].find((root) => samePosition(positionOf(root), position)) ?? null,
    }
    this.shipper = new Shipper(facts, limits, seededRandom(3), member)
  }

  event(event: ShipperEvent): readonly ShipperAction[] {
    const actions = this.shipper.handle(event, this.nowMs)
    for (const action of actions) if (action.kind === 'hold') this.held = action.roots
    return actions
  }

  hear(body: FrameBody, head: Partial<Message> = {}): readonly ShipperAction[] {
    const message = {
      volume: volumeUuid,
      session: this.shipper.head.session,
      epoch,
      cp: 0,
      base: nowhere,
      number: this.number++,
      ...body,
      ...head,
    } as Message
    return this.event({ kind: 'frame', message })
  }

  status(published: PublishedRoot | null, change: Partial<MirrorStatus> = {}): MirrorStatus {
    const position = positionOf(published)
    return idleStatus({
      side: mirror,
      published: position,
      offerSeen: 99,
      retained: published ? [position] : [],
      ...change,
    })
  }

  answer = (published: PublishedRoot | null, change: Partial<MirrorStatus> = {}) =>
    this.hear({ kind: 'hello-answer', opens: uuid(), ...this.status(published, { offerSeen: 0, ...change }) })
  report = (published: PublishedRoot | null, change: Partial<MirrorStatus> = {}) =>
    this.hear({ kind: 'report', ...this.status(published, change) })

  /** What leaves now. */
  leave(): Message[] {
    const messages: Message[] = []
    for (;;) {
      const batch = this.shipper.outbox.take(this.shipper.head)
      if (!batch) return messages
      for (const { message } of new FrameStream().push(Buffer.concat(batch.parts))) messages.push(message)
      this.shipper.outbox.received()
    }
  }

  publish(root: PublishedRoot): readonly ShipperAction[] {
    this.current = root
    this.retained = [...this.retained, root].slice(-2)
    return this.event({ kind: 'published' })
  }

  connect(): void {
    this.event({ kind: 'tick' })
    this.leave()
  }
}

export const cps = (list: readonly PublishedRoot[]): number[] =>
  list.map(({ root }) => root.cp).toSorted((a, b) => a - b)
export const kinds = (list: readonly { kind: string }[]): string[] => list.map(({ kind }) => kind)
export const command = (address: number): WriteCommand => ({
  address,
  bytes: new Uint8Array(blockBytes).fill(address),
  sum: new Uint8Array(8),
  payloadBytes: blockBytes,
})
