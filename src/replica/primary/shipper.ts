/**
 * The primary's end of mirroring, for one mirror: a state machine without sockets, timers or reads. Events come in,
 * actions go out, and frames that are to leave wait in the outbox.
 *
 * | state        | meaning                                                                  | left by                    |
 * |--------------|--------------------------------------------------------------------------|----------------------------|
 * | waiting      | no connection, until the back-off has passed                             | connect → greeting         |
 * | greeting     | hello sent                                                               | answer → session; silence  |
 * | session      | without target: up to date, or in trouble                                | a target is chosen         |
 * | … asked      | the mirror lacked space lately: the mirror first says whether it has any | its report                 |
 * | … sending    | the difference to the target is on its way                               | all of it has left         |
 * | … offered    | the mirror verifies, wants, publishes                                    | its report                 |
 *
 * - The primary holds the roots that the member last reported and every root offered since. A hold is set before
 *   anything is sent that depends on it, and none is given up before the mirror has answered this process's hello.
 * - A target stays until the mirror has published it, and moves only when a block of the target is unavailable, or
 *   when the mirror has no space for the target.
 * - A mirror never makes the primary wait: a mirror can cost at most the outbox and the holds.
 */
import { type Random, formatUuid, newUuid } from '../../lib/random.ts'
import type { PublishedRoot } from '../../cp-engine/contract.ts'
import { unreachable } from '../../lib/assert.ts'
import { equalBytes } from '../../lib/bytes.ts'
import {
  type FrameBody,
  type Message,
  type MessageOf,
  type MirrorStatus,
  type Position,
  isFrom,
  isNowhere,
  noUuid,
  nowhere,
  samePosition,
} from '../../format/wire/messages.ts'
import { Lag } from '../link/lag.ts'
import { LiveLog } from './live-log.ts'
import { MemberHolds } from './member-holds.ts'
import { isHigher, isOlderCopy, needInWords, reactions, startAgain } from './mirror-troubles.ts'
import { positionOf } from '../link/positions.ts'
import { Outbox, type SessionHead } from './outbox.ts'
import type { ShipperAction, ShipperEvent, ShipperFacts } from './shipper-events.ts'
import type { ShipperLimits, ShipperStatus } from './shipper-events.ts'
import { statusOf } from './shipper-status.ts'
import { ShipperTimes } from './shipper-times.ts'
import { type ShipperTarget, newShipperTarget } from './shipper-target.ts'
import { TransferLog } from '../link/transfer-log.ts'
import { Unreached } from './unreached.ts'

export class Shipper {
  readonly outbox: Outbox
  private phase: 'waiting' | 'greeting' | 'session' = 'waiting'
  private session = noUuid
  private readonly times: ShipperTimes
  private trouble: { readonly reason: string; readonly untilMs: number } | null = null
  private readonly unreached = new Unreached()
  private status: MirrorStatus | null = null
  private statusNumber = -1
  /** Root that the mirror last reported as published. The primary holds this root, so patches may build on it. */
  base: PublishedRoot | null = null
  private target: ShipperTarget | null = null
  private readonly holds = new MemberHolds()
  private isHoldDue = false
  /** The mirror had no space for the last target: the next target is not sent before the mirror has some. */
  private isMirrorShort = false
  private answer: MessageOf<'hello-answer'> | null = null
  private readonly live = new LiveLog()
  private readonly transfers = new TransferLog()
  private readonly lag = new Lag()
  private current: PublishedRoot
  private actions: ShipperAction[] = []
  private nowMs = 0

  /** `member`: the side UUID that must answer; null means that the first side that answers is adopted. */
  constructor(
    private readonly facts: ShipperFacts,
    private readonly limits: ShipperLimits,
    private readonly random: Random,
    private member: string | null,
  ) {
    this.current = facts.current()
    this.times = new ShipperTimes(limits, random)
    this.outbox = new Outbox(
      limits.outboxBytesMax,
      (source, cp, blocks, bytes) => this.transfers.sent(source, cp, blocks, bytes, this.nowMs),
      facts.patches,
    )
  }

  handle(event: ShipperEvent, nowMs: number): readonly ShipperAction[] {
    this.nowMs = nowMs
    this.actions = []
    this.decide(event)
    // The hold comes first, because frames that are sent for this event rely on it.
    if (this.isHoldDue)
      this.actions.unshift({ kind: 'hold', roots: this.holds.roots(this.target?.root ?? null) })
    this.isHoldDue = false
    return this.actions
  }

  /** Monotonic milliseconds at which a tick is due. */
  get wakeAtMs(): number {
    const { wakeMs, silentMs, pollMs } = this.times
    if (this.phase === 'waiting') return wakeMs
    return Math.min(silentMs, this.phase === 'session' ? pollMs : Infinity)
  }

  get head(): SessionHead {
    return { volume: this.facts.volume, session: this.session, epoch: this.facts.epoch() }
  }

  describe(nowMs: number): ShipperStatus {
    const standing = {
      heardMs: this.times.heardMs,
      hasSession: this.phase === 'session',
      isLive: this.isLive,
      base: this.base,
      currentCp: this.current.root.cp,
      lag: this.lag,
      trouble: this.trouble?.reason ?? null,
      unreached: this.unreached.said,
      sentBytes: this.transfers.bytesEver,
      refused: this.status?.refused ?? 0,
    }
    return statusOf(standing, nowMs)
  }

  /** True when the mirror's published or target CP is the newest one: the next writes go to the mirror at once. */
  private get isLive(): boolean {
    if (this.phase !== 'session' || this.trouble || !this.status || this.answer) return false
    const at = this.target?.root ?? this.base
    return at !== null && equalBytes(at.hash, this.current.hash)
  }

  private decide(event: ShipperEvent): void {
    switch (event.kind) {
      case 'sealed':
        this.live.sealed(event.cp, this.isLive, positionOf(this.current))
        return
      case 'leaving': {
        const base = positionOf(this.current)
        return this.live.note(event.cp, this.isLive && this.outbox.live(event.cp, base, event.commands))
      }
      case 'published':
        return this.published()
      case 'frame':
        return this.frame(event.message)
      case 'received':
        if (this.phase !== 'waiting') this.times.aliveMs = this.nowMs
        return
      case 'failed':
        return this.fail(event.reason)
      case 'difference-read':
        if (this.target?.stage === 'sending' && this.target.root.root.cp === event.cp)
          this.offer(this.target, true)
        return
      case 'unavailable':
        return this.unavailable(event.cp, event.detail)
      case 'adopted':
        return this.adopted(event.side)
      case 'refused':
        return this.inTrouble(event.reason, true)
      case 'space-short':
        return this.spaceShort()
      case 'tick':
        return this.tick()
      default:
        return unreachable(event)
    }
  }

  // --- The connection ---

  private tick(): void {
    if (this.phase === 'waiting') {
      if (this.nowMs >= this.times.wakeMs) this.connect()
      return
    }
    if (this.nowMs >= this.times.silentMs) return this.fail('it does not answer')
    if (this.phase !== 'session' || this.nowMs < this.times.pollMs) return
    this.times.pollLater(this.nowMs)
    if (this.outbox.isEmpty) this.poll()
    if (this.trouble && this.nowMs >= this.trouble.untilMs) this.trouble = null
    this.pursue()
  }

  private poll(isSpaceShort = false): void {
    const remark = isSpaceShort ? 'space-short' : this.hasCommonCp ? 'nothing' : 'no-common-cp'
    this.say(this.current.root.cp, { kind: 'poll', remark })
  }

  private spaceShort(): void {
    if (this.phase === 'session' && !this.answer && this.times.maySayShort(this.nowMs)) this.poll(true)
  }

  private connect(): void {
    this.phase = 'greeting'
    this.session = formatUuid(newUuid(this.random))
    this.times.aliveMs = this.nowMs
    this.statusNumber = -1
    this.outbox.restart()
    this.actions.push({ kind: 'connect' })
    const { side, geometry } = this.facts
    const hello = { kind: 'hello', side, member: this.member ?? noUuid, geometry } as const
    this.outbox.message(this.current.root.cp, nowhere, hello)
  }

  private fail(reason: string): void {
    if (this.phase === 'waiting') return
    this.trouble = null
    this.unreached.failed(reason, this.phase === 'session', (said) => this.actions.push(said))
    this.disconnect()
    this.times.backOff(this.nowMs)
  }

  private disconnect(): void {
    this.phase = 'waiting'
    this.answer = null
    this.live.lostAll()
    this.outbox.restart()
    this.actions.push({ kind: 'stop-sending' }, { kind: 'disconnect' })
  }

  /** Notes a trouble that only time or an operator ends. `endsSession`: nothing can be said to this mirror. */
  private inTrouble(reason: string, endsSession: boolean): void {
    if (endsSession && this.phase !== 'waiting') {
      this.disconnect()
      this.times.wakeMs = this.nowMs + this.limits.troubleMs
    }
    this.trouble = { reason, untilMs: this.nowMs + this.limits.troubleMs }
  }

  private say(cp: number, body: Exclude<FrameBody, { kind: 'blocks' }>, isBarrier = false): void {
    this.outbox.message(cp, this.status?.published ?? nowhere, body, isBarrier)
  }

  // --- Frames of the mirror ---

  private frame(message: Message): void {
    if (message.session !== this.session || this.phase === 'waiting') return
    this.times.heard(this.nowMs)
    if (!isFrom('mirror', message)) return
    if (message.volume !== this.facts.volume && message.kind !== 'error') return
    const isOpen = this.phase === 'session' && !this.answer
    switch (message.kind) {
      case 'error':
        return this.heardError(message)
      case 'hello-answer':
        return this.answered(message)
      case 'report':
        return isOpen ? this.takeStatus(message, message.number) : undefined
      case 'want':
        return isOpen ? this.wanted(message) : undefined
      default:
        return unreachable(message)
    }
  }

  private answered(answer: MessageOf<'hello-answer'>): void {
    if (this.phase !== 'greeting') return
    if (this.member && answer.side !== this.member) {
      return this.inTrouble(`another mirror (${answer.side}) answers at this address`, true)
    }
    this.phase = 'session'
    this.unreached.reached()
    this.session = answer.opens
    this.trouble = null
    this.times.begun(this.nowMs)
    this.answer = answer
    if (this.member) this.adopted(this.member)
    else this.actions.push({ kind: 'adopt', side: answer.side })
  }

  private adopted(side: string): void {
    const { answer } = this
    if (!answer || answer.side !== side) return
    this.member = side
    this.answer = null
    this.holds.greeted()
    this.takeStatus(answer, answer.number)
  }

  private takeStatus(status: MirrorStatus & { readonly kind: string }, number: number): void {
    if (number <= this.statusNumber) return
    if (!this.holds.report(status, (position) => this.facts.find(position)))
      return this.inTrouble('it retains too many roots', true)
    this.statusNumber = number
    const before = this.base
    this.status = status
    this.isHoldDue = true
    this.base = isNowhere(status.published) ? null : this.facts.find(status.published)
    if (this.target && this.target.root.root.cp <= status.published.cp) this.reached(this.target.root)
    if (this.base && this.base !== before) this.actions.push({ kind: 'mirrored' })
    if (!this.hasCommonCp) return this.withoutCommonCp(status.published)
    if (status.kind === 'hello-answer') this.resume(status)
    this.heardNeeds(status)
    this.pursue()
  }

  private withoutCommonCp(published: Position): void {
    this.giveUpTarget()
    if (!this.facts.hasLost(published)) return this.inTrouble(startAgain(published.cp), false)
    this.actions.push({ kind: 'met-lost-cp', cp: published.cp })
    this.inTrouble(isOlderCopy(published.cp), false)
  }

  private get hasCommonCp(): boolean {
    return this.base !== null || (this.status !== null && isNowhere(this.status.published))
  }

  /** A target outlives the connection, and even this process when the hold of the target does. */
  private resume(status: MirrorStatus): void {
    const root = this.target?.root ?? this.facts.find(status.target)
    this.target = null
    if (!root || root.root.cp <= status.published.cp || !this.holds.hasRoomFor(root)) return
    this.target = newShipperTarget(root)
    const isSame = samePosition(status.target, positionOf(root))
    if (isSame && status.stage !== 'receiving') this.offer(this.target, true)
    else this.send(this.target, isSame ? status.receivedTo : 0)
  }

  private heardNeeds(status: MirrorStatus): void {
    if (status.needs === 'sound-blocks' && this.target && !this.trouble) {
      return this.unavailable(this.target.root.root.cp, 'blocks of it arrive damaged again and again')
    }
    const need = needInWords(status)
    const { target } = this
    // A report from before the mirror saw this target is about another target.
    const isAnswer = target === null || status.offerSeen >= target.firstOffer
    if (!need && isAnswer && target?.stage === 'asked') this.sendDifference(target)
    if (!need) return
    if (status.needs !== 'space') return this.inTrouble(need, false)
    this.isMirrorShort = true
    if (!isAnswer) return
    // The next target may be smaller, so this one is given up. A repeated need does not delay the next try.
    this.giveUpTarget()
    if (this.trouble) this.trouble = { ...this.trouble, reason: need }
    else this.inTrouble(need, false)
  }

  private heardError({ code, detail, volume, epoch }: MessageOf<'error'>): void {
    const reaction = reactions[code]
    switch (reaction) {
      case 'reconnect':
        return this.fail(detail)
      case 'end':
        if (code === 'older-epoch' && volume === this.facts.volume && isHigher(epoch, this.facts.epoch()))
          this.actions.push({ kind: 'met-higher-epoch', epoch })
        return this.inTrouble(detail, true)
      case 'give up target':
        this.giveUpTarget()
        return this.inTrouble(detail, false)
      case 'ask':
        return this.poll()
      case 'go on':
        return
      default:
        return unreachable(reaction)
    }
  }

  private wanted({ cp, wanted }: MessageOf<'want'>): void {
    if (this.target?.stage !== 'offered' || this.target.root.root.cp !== cp || this.trouble) return
    this.actions.push({ kind: 'send-wanted', target: this.target.root, base: this.base, wanted })
  }

  // --- The target ---

  private published(): void {
    this.current = this.facts.current()
    const { cp } = this.current.root
    this.lag.published(cp, this.nowMs)
    const isNext = !this.target && this.base !== null && this.live.isWhole(cp, positionOf(this.base))
    // A CP that is not offered now is superseded before it could be offered: its waiting commands are dropped.
    if (!isNext) for (const lost of this.outbox.dropLive(cp)) this.live.note(lost, false)
    this.pursue()
    this.live.forgetBefore(cp)
  }

  private pursue(): void {
    if (this.phase !== 'session' || this.answer || this.trouble || !this.status || !this.hasCommonCp) return
    const { current } = this
    if (this.target) return this.repeatOffer(this.target)
    if (this.base && this.base.root.cp >= current.root.cp) return
    // The next report may make room: a mirror reports fewer roots when its readers have ended.
    if (!this.holds.hasRoomFor(current)) return
    this.target = newShipperTarget(current)
    if (this.live.isWhole(current.root.cp, this.status.published)) this.offer(this.target, true)
    else this.send(this.target, 0)
  }

  private send(target: ShipperTarget, from: number): void {
    target.from = from
    target.stage = this.isMirrorShort ? 'asked' : 'sending'
    this.offer(target, false)
    if (target.stage === 'sending') this.sendDifference(target)
  }

  private sendDifference(target: ShipperTarget): void {
    target.stage = 'sending'
    this.actions.push({ kind: 'send-difference', target: target.root, base: this.base, from: target.from })
  }

  private offer(target: ShipperTarget, isComplete: boolean): void {
    const { root, address, bytes } = target.root
    const offer = this.holds.offer(target.root)
    this.isHoldDue = true
    if (isComplete) target.stage = 'offered'
    target.offeredAtMs = this.nowMs
    target.firstOffer ||= offer
    const blocks = isComplete ? 0 : this.facts.differenceBlocks(target.root, this.base)
    this.say(root.cp, { kind: 'offer', offer, address, isComplete, blocks, root: bytes }, true)
  }

  /** An offer or its report was lost, or the mirror has begun again and knows no target. */
  private repeatOffer(target: ShipperTarget): void {
    if (target.stage === 'sending' || this.nowMs < target.offeredAtMs + this.limits.offerAgainMs) return
    if (target.stage === 'asked') return this.offer(target, false)
    const { target: at, stage } = this.status!
    const isTaken = samePosition(at, positionOf(target.root)) && stage !== 'receiving'
    if (!isTaken) this.offer(target, true)
  }

  private reached(root: PublishedRoot): void {
    this.target = null
    this.isMirrorShort = false
    this.outbox.dropSent()
    this.outbox.sentLive.forgetUpTo(root.root.cp)
    this.actions.push({ kind: 'stop-sending' })
    for (const transfer of this.transfers.finished(root.root.cp, this.nowMs)) {
      this.actions.push({ kind: 'transfer', transfer })
    }
  }

  private unavailable(cp: number, detail: string): void {
    if (this.target?.root.root.cp !== cp) return
    const { root } = this.target
    this.giveUpTarget()
    // A newer root may not use the block any more; the same root is tried again later.
    if (equalBytes(this.current.hash, root.hash)) this.inTrouble(detail, false)
    else this.pursue()
  }

  private giveUpTarget(): void {
    this.target = null
    this.outbox.dropSent()
    this.actions.push({ kind: 'stop-sending' })
  }
}
