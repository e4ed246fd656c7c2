/** One mirror as the primary drives it: the link feeds the mirror's `Shipper` and executes the shipper's actions. */
import type { Clock } from '../../lib/clock.ts'
import type { Random } from '../../lib/random.ts'
import { unreachable } from '../../lib/assert.ts'
import { equalBytes } from '../../lib/bytes.ts'
import type { PrimaryVolume, PublishedRoot, RootSource, WriteCommand } from '../../cp-engine/contract.ts'
import type { Geometry } from '../../format/geometry.ts'
import { type FrameHead, samePosition } from '../../format/wire/messages.ts'
import { BlockSender } from './block-sender.ts'
import { PatchMaker } from './patch-maker.ts'
import { positionOf } from '../link/positions.ts'
import { ReplacedRuns } from './replaced-runs.ts'
import { Shipper } from './shipper.ts'
import type {
  ShipperAction,
  ShipperEvent,
  ShipperFacts,
  ShipperLimits,
  ShipperStatus,
} from './shipper-events.ts'
import type { Transfer } from '../link/transfer-log.ts'
import type { Connection, ConnectionEvents, ReplicaTransport } from '../link/transport.ts'

interface PrimaryIdentity {
  readonly side: string
  readonly geometry: Geometry
  epoch(): FrameHead['epoch']
}

export interface LinkParts {
  readonly source: RootSource
  readonly primary: PrimaryVolume
  readonly identity: PrimaryIdentity
  readonly transport: ReplicaTransport
  readonly clock: Clock
  readonly random: Random
  readonly limits: ShipperLimits
}

interface LinkEvents {
  /**
   * An unknown mirror answers: the listener makes the mirror a durable member, or rejects with the reason why not.
   */
  adopt(link: MemberLink, side: string): Promise<void>
  /** The mirror is known to have another CP than before. */
  mirrored(link: MemberLink): void
  transferred(link: MemberLink, transfer: Transfer): void
  metHigherEpoch(epoch: FrameHead['epoch']): void
  metLostCp(link: MemberLink, cp: number): void
  /** The mirror is not reached, for another reason than before. */
  unreached(link: MemberLink, reason: string): void
}

export class MemberLink {
  private readonly shipper: Shipper
  private readonly sender: BlockSender
  private readonly replaced = new ReplacedRuns()
  private connection: Connection | null = null
  private cancelTimer: (() => void) | null = null
  private isClosed = false

  /** `member` is null while the side that answers at the URL is unknown. */
  constructor(
    private readonly parts: LinkParts,
    private readonly events: LinkEvents,
    readonly url: string,
    public member: string | null,
  ) {
    this.shipper = new Shipper(this.facts(), parts.limits, parts.random, member)
    this.sender = new BlockSender(parts.primary, this.shipper.outbox, this.replaced, {
      sentDifference: (cp) => this.dispatch({ kind: 'difference-read', cp }),
      unavailable: (cp, detail) => this.dispatch({ kind: 'unavailable', cp, detail }),
      wake: () => this.connection?.wake(),
    })
  }

  start(): void {
    this.dispatch({ kind: 'tick' })
  }

  sealed(cp: number): void {
    this.dispatch({ kind: 'sealed', cp })
  }
  /** True when the mirror is to have the commands: they wait in the outbox, at least until the next turn. */
  leaving(cp: number, commands: readonly WriteCommand[]): boolean {
    const { outbox, base } = this.shipper
    const before = outbox.bytes
    this.replaced.note(commands, base && this.parts.primary.held(base))
    this.dispatch({ kind: 'leaving', cp, commands })
    return outbox.bytes !== before
  }
  published(): void {
    this.dispatch({ kind: 'published' })
  }

  /** A write waits for space: the mirror is asked to end readers that keep space for long. */
  spaceShort(): void {
    this.dispatch({ kind: 'space-short' })
  }

  /** The root that the mirror is known to have and that this side keeps, too; null when there is none. */
  get base(): PublishedRoot | null {
    return this.shipper.base
  }

  /** CP that the mirror is known to have and that this side has too; 0 when there is none. */
  get mirroredCp(): number {
    return this.shipper.base?.root.cp ?? 0
  }

  describe(): ShipperStatus {
    return this.shipper.describe(this.parts.clock.monotonic())
  }

  close(): void {
    this.isClosed = true
    this.cancelTimer?.()
    this.cancelTimer = null
    this.sender.stop()
    this.connection?.close()
    this.connection = null
  }

  private dispatch(event: ShipperEvent): void {
    if (this.isClosed) return
    for (const action of this.shipper.handle(event, this.parts.clock.monotonic())) this.execute(action)
    if (!this.shipper.outbox.isEmpty) this.connection?.wake()
    this.schedule()
  }

  private schedule(): void {
    this.cancelTimer?.()
    this.cancelTimer = null
    const { wakeAtMs } = this.shipper
    if (this.isClosed || wakeAtMs === Infinity) return
    const ms = Math.max(1, Math.ceil(wakeAtMs - this.parts.clock.monotonic()))
    this.cancelTimer = this.parts.clock.after(ms, () => this.dispatch({ kind: 'tick' }))
  }

  private execute(action: ShipperAction): void {
    switch (action.kind) {
      case 'connect':
        return this.connect()
      case 'disconnect':
        this.connection?.close()
        this.connection = null
        return
      case 'hold':
        return this.hold(action.roots)
      case 'send-difference':
        return this.sender.difference(action.target, action.base, action.from)
      case 'send-wanted':
        return this.sender.wanted(action.target, action.base, action.wanted)
      case 'stop-sending':
        return this.sender.stop()
      case 'adopt':
        return this.adopt(action.side)
      case 'met-higher-epoch':
        return this.events.metHigherEpoch(action.epoch)
      case 'met-lost-cp':
        return this.events.metLostCp(this, action.cp)
      case 'unreached':
        return this.events.unreached(this, action.reason)
      case 'mirrored':
        return this.events.mirrored(this)
      case 'transfer':
        return this.events.transferred(this, action.transfer)
      default:
        return unreachable(action)
    }
  }

  private connect(): void {
    this.connection?.close()
    const events: ConnectionEvents = {
      take: () => this.take(),
      frame: (message) => this.dispatch({ kind: 'frame', message }),
      received: () => {
        this.shipper.outbox.received()
        this.dispatch({ kind: 'received' })
      },
      failed: (reason) => this.dispatch({ kind: 'failed', reason }),
    }
    this.connection = this.parts.transport.connect(this.url, events, this.member)
  }

  private take() {
    const batch = this.shipper.outbox.take(this.shipper.head, this.shipper.base)
    if (batch) this.sender.roomChanged()
    return batch
  }

  private hold(roots: readonly PublishedRoot[]): void {
    const { holds } = this.parts.primary
    if (!this.member) return
    const now = holds.of(this.member)
    const isSame =
      now.length === roots.length &&
      roots.every((root) => now.some(({ hash }) => equalBytes(hash, root.hash)))
    if (!isSame) holds.set(this.member, roots)
  }

  private adopt(side: string): void {
    this.events.adopt(this, side).then(
      () => {
        this.member = side
        this.dispatch({ kind: 'adopted', side })
      },
      (error: unknown) => {
        this.dispatch({ kind: 'refused', reason: error instanceof Error ? error.message : String(error) })
      },
    )
  }

  private facts(): ShipperFacts {
    const { primary, source, identity, clock } = this.parts
    return {
      volume: primary.volumeUuid,
      side: identity.side,
      geometry: identity.geometry,
      epoch: () => identity.epoch(),
      differenceBlocks: (target, base) => primary.differenceBlocks(target, base),
      hasLost: (position) => primary.hasLost(position),
      patches: new PatchMaker(primary, this.replaced, clock),
      current: () => source.current(),
      find: (position) => {
        const held = this.member ? primary.holds.of(this.member) : []
        const isIt = (root: PublishedRoot) => samePosition(positionOf(root), position)
        return held.find(isIt) ?? source.readable().find(isIt) ?? null
      },
    }
  }
}
