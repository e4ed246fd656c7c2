/**
 * The table of members on a primary: the mirrors, their addresses, and the callers that wait for them.
 *
 * - A member is durable before anything is offered to it. Removing a member releases its holds, whether the mirror
 *   can be reached or not.
 * - A mirror that was added and has not proved itself yet has a preliminary id, whose version digit is 0, and holds
 *   nothing. When the table is full, the oldest such mirror gives its place to a new one.
 * - The table passes the engine's events on synchronously, and never makes the engine wait.
 */
import { StillpointError } from '../../lib/errors.ts'
import { formatUuid } from '../../lib/random.ts'
import { Turn } from '../../lib/gates/turns.ts'
import type { CpPublished, HoldListener, PublishedRoot, WriteCommand } from '../../cp-engine/contract.ts'
import { membersMax } from '../../format/geometry.ts'
import { labelMs } from '../../format/position.ts'
import type { FrameHead } from '../../format/wire/messages.ts'
import { HeldBytes } from './held-bytes.ts'
import { type LinkParts, MemberLink } from './member-link.ts'
import type { Transfer } from '../link/transfer-log.ts'
import { type MirrorState, type ShipperLimits, type ShipperStatus, shipperLimits } from './shipper-events.ts'

interface MirrorsOptions extends Omit<LinkParts, 'limits'> {
  readonly limits?: Partial<ShipperLimits>
  readonly onTransfer?: (mirrorId: string, transfer: Transfer) => void
  /** Called when a mirror that was added has answered, and is a member under its own id from now on. */
  readonly onAdopted?: (mirrorId: string, url: string) => void
  /** Called when this volume is an older copy: the mirror at the URL has a CP of the volume that is lost here. */
  readonly onLostCp?: (url: string, cp: number) => void
  /** Called when a mirror is known to have another CP than before. */
  readonly onMirrored?: (mirrorId: string, cp: number) => void
  readonly onHigherEpoch?: (epoch: FrameHead['epoch']) => void
  /** Called when a mirror is not reached for another reason than before. Whoever asks for the list hears no reason. */
  readonly onUnreached?: (url: string, reason: string) => void
}

interface MirrorInfo {
  readonly id: string
  readonly url: string
  readonly state: MirrorState
  readonly cp: number | null
  readonly lagCps: number
  readonly lagMs: number
  readonly needs: string | null
  /** Bytes that the holds of this mirror keep besides the newest root. */
  readonly heldBytes: number
  /** Wall clock; null when the mirror was never heard. */
  readonly lastSeenMs: number | null
}

export interface MirrorStanding extends ShipperStatus {
  readonly id: string
  readonly url: string
  /** The root that the mirror has. */
  readonly base: PublishedRoot | null
}

interface AddedMirror {
  readonly reached: boolean
  readonly record: MirrorInfo
}

interface Member {
  id: string
  readonly link: MemberLink
}

/** How long `add` waits for the mirror's first answer. */
const firstAnswerMs = 1000
const isPending = (id: string): boolean => id[14] === '0'

export class Mirrors {
  private readonly members: Member[] = []
  private readonly parts: LinkParts
  private readonly heldBytes: HeldBytes
  private readonly waiters = new Set<() => void>()
  private stopObserving: (() => void) | null = null
  private stopGivingWay: (() => void) | null = null
  private areWaitsOver = false
  private readonly adding = new Turn()

  constructor(private readonly options: MirrorsOptions) {
    this.parts = { ...options, limits: { ...shipperLimits, ...options.limits } }
    this.heldBytes = new HeldBytes(options.primary, options.source)
  }

  start(): void {
    const each = (tell: (link: MemberLink) => void) => {
      for (const { link } of this.members) tell(link)
    }
    this.stopObserving = this.parts.primary.observe({
      sealed: (cp: number) => each((link) => link.sealed(cp)),
      leaving: (cp: number, commands: readonly WriteCommand[]) => {
        let isKept = false
        each((link) => (isKept = link.leaving(cp, commands) || isKept))
        return isKept
      },
      published: (_event: CpPublished) => each((link) => link.published()),
    })
    this.stopGivingWay = this.parts.primary.onHoldsInTheWay((carrier) => this.inTheWay(carrier))
    for (const { uuid, url } of this.parts.primary.members()) {
      // A pending mirror has never been offered anything.
      if (isPending(uuid)) this.parts.primary.holds.set(uuid, [])
      this.begin(uuid, url)
    }
  }

  close(): void {
    this.stopObserving?.()
    this.stopGivingWay?.()
    for (const { link } of this.members) link.close()
    this.wake()
  }

  /**
   * Adds a mirror. `reached` is false when the mirror has not answered within a second; the mirror is a member all
   * the same, and the primary keeps trying.
   */
  add(url: string): Promise<AddedMirror> {
    return this.added(url, false)
  }

  /** As `add`, with a new connection, for another key, to a mirror that is a member already. */
  addAfresh(url: string): Promise<AddedMirror> {
    return this.added(url, true)
  }

  private async added(url: string, afresh: boolean): Promise<AddedMirror> {
    const member = await this.adding.within(() => this.memberAt(url, afresh))
    const isReached = () => member.link.describe().silentMs !== null && !isPending(member.id)
    const deadline = this.parts.clock.monotonic() + firstAnswerMs
    while (!isReached() && this.parts.clock.monotonic() < deadline) await this.parts.clock.sleep(10)
    return { reached: isReached(), record: this.describe(member, await this.heldBytes.of(member.id)) }
  }

  private async memberAt(url: string, afresh: boolean): Promise<Member> {
    const known = this.members.find(({ link }) => link.url === url)
    if (known) return afresh || isPending(known.id) ? this.again(known) : known
    const id = pendingId(this.parts.random.bytes(16))
    const isFull = this.members.length >= membersMax
    const unproved = isFull ? this.members.find((other) => isPending(other.id)) : undefined
    await this.parts.primary.addMember({ uuid: id, url }, unproved?.id)
    if (unproved && this.members.includes(unproved)) this.drop(unproved)
    return this.begin(id, url)
  }

  async remove(id: string): Promise<boolean> {
    const member = this.members.find((candidate) => candidate.id === id)
    if (!member) return false
    this.drop(member)
    await this.parts.primary.removeMember(id)
    this.wake()
    return true
  }

  /** A mirror that is added again, maybe with a code, is tried at once. */
  private again(member: Member): Member {
    this.drop(member)
    return this.begin(member.id, member.link.url)
  }

  private drop(member: Member): void {
    this.members.splice(this.members.indexOf(member), 1)
    member.link.close()
    this.heldBytes.forget(member.id)
  }

  /** How far each mirror is, at once. */
  standings(): MirrorStanding[] {
    return this.members.map(({ id, link }) => ({ id, url: link.url, base: link.base, ...link.describe() }))
  }

  async list(): Promise<readonly MirrorInfo[]> {
    const infos: MirrorInfo[] = []
    for (const member of this.members.slice())
      infos.push(this.describe(member, await this.heldBytes.of(member.id)))
    return infos
  }

  /**
   * True when `count` mirrors have published the CP; false at the deadline (monotonic milliseconds) and after
   * `endWaits`.
   */
  waitMirrored(cp: number, count: number, deadlineMs: number): Promise<boolean> {
    const isReached = () => this.members.filter(({ link }) => link.mirroredCp >= cp).length >= count
    return this.waitUntil(isReached, () => this.areWaitsOver, deadlineMs)
  }

  /**
   * Ends the waits because the primary stops: each caller that waits for a mirror now, or asks later, learns at once
   * whether the mirror has the CP.
   */
  endWaits(): void {
    this.areWaitsOver = true
    this.wake()
  }

  /**
   * True when every present mirror has published the CP; false at the deadline. `endWaits` does not end this wait.
   */
  flush(cp: number, deadlineMs: number): Promise<boolean> {
    const isReached = () => this.members.every(({ link }) => link.mirroredCp >= cp || !isThere(link))
    return this.waitUntil(isReached, () => false, deadlineMs)
  }

  private async waitUntil(
    isReached: () => boolean,
    isOver: () => boolean,
    deadlineMs: number,
  ): Promise<boolean> {
    const { clock } = this.parts
    while (!isReached()) {
      const ms = deadlineMs - clock.monotonic()
      if (ms <= 0 || isOver() || !this.stopObserving) return false
      await new Promise<void>((resolve) => {
        const done = () => {
          cancel()
          this.waiters.delete(done)
          resolve()
        }
        const cancel = clock.after(ms, done)
        this.waiters.add(done)
      })
    }
    return true
  }

  /**
   * Tells a write that lacks space when mirrors may give space back. Only present mirrors count: the space that is
   * held for an absent mirror comes back when the mirror is removed.
   */
  private inTheWay(carrier: number): ReturnType<HoldListener> {
    const { primary, source } = this.parts
    const current = source.current().root.cp
    const holding = this.members.filter(
      ({ id, link }) => isThere(link) && primary.holds.of(id).some(({ root }) => root.cp < carrier),
    )
    if (holding.length === 0) return 'nothing'
    for (const { link } of holding) link.spaceShort()
    // Such a mirror has every CP, and keeps the CP before as its older slot: only another CP moves that slot.
    const waitsForNext = ({ link }: Member) => link.mirroredCp === current && current <= carrier
    return holding.some(waitsForNext) ? 'the next cp' : 'with a report'
  }

  private begin(id: string, url: string): Member {
    const link = new MemberLink(
      this.parts,
      {
        adopt: (adopting, side) => this.adopt(adopting, side),
        mirrored: (of) => {
          this.wake()
          if (of.member !== null) this.options.onMirrored?.(of.member, of.mirroredCp)
        },
        transferred: ({ member }, transfer) => this.options.onTransfer?.(member ?? id, transfer),
        metLostCp: (lost, cp) => this.options.onLostCp?.(lost.url, cp),
        metHigherEpoch: (epoch) => this.options.onHigherEpoch?.(epoch),
        unreached: (lost, reason) => this.options.onUnreached?.(lost.url, reason),
      },
      url,
      isPending(id) ? null : id,
    )
    const member = { id, link }
    this.members.push(member)
    link.start()
    return member
  }

  /** Handles the first answer of an added mirror: from now on the mirror is a member under its own id. */
  private async adopt(link: MemberLink, side: string): Promise<void> {
    const member = this.members.find((candidate) => candidate.link === link)
    if (!member) throw new StillpointError('not-found', 'it was removed')
    // The mirror was adopted already, and the connection ended before the link heard of the adoption.
    if (member.id === side) return
    const twin = this.members.find((other) => other !== member && other.id === side)
    if (twin) {
      if (twin.link.describe().state !== 'away') {
        throw new StillpointError('exists', `it is a member already, at ${twin.link.url}`)
      }
      // The twin is the same mirror at another address.
      twin.link.close()
      this.members.splice(this.members.indexOf(twin), 1)
    }
    // One write changes both entries: a crash must not leave two members at one address.
    await this.parts.primary.addMember({ uuid: side, url: link.url }, member.id)
    member.id = side
    this.options.onAdopted?.(side, link.url)
  }

  private describe({ id, link }: Member, heldBytes: number): MirrorInfo {
    const { clock } = this.parts
    const { state, cp, lagCps, lagMs, needs, silentMs } = link.describe()
    const lastSeenMs = silentMs === null ? null : Math.max(0, labelMs(clock) - silentMs)
    return { id, url: link.url, state, cp, lagCps, lagMs, needs, heldBytes, lastSeenMs }
  }

  private wake(): void {
    for (const waiter of this.waiters) waiter()
  }
}

const isThere = (link: MemberLink): boolean => ['live', 'catching-up'].includes(link.describe().state)

function pendingId(bytes: Uint8Array): string {
  const id = bytes.slice()
  id[6] = id[6]! & 0x0f
  return formatUuid(id)
}
