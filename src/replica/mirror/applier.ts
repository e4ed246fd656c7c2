/**
 * The mirror's end of mirroring: a state machine without a device. Events come in, actions go out.
 *
 * | stage      | meaning                                                          | left by                                |
 * |------------|------------------------------------------------------------------|----------------------------------------|
 * | idle       | no target                                                        | an offer                               |
 * | receiving  | offered, the difference is arriving                              | the offer is complete                  |
 * | verifying  | writes are awaited, then trees are walked                        | complete, missing, broken              |
 * | wanting    | a want list is out                                               | all of it has arrived                  |
 * | publishing | writes are awaited, then sync, superblock, readers switch        | published                              |
 *
 * - One session exists at a time. A hello ends the old session; the answer comes when the old writes have drained.
 *   The answer names the new session, so a late or repeated older frame, even a hello, belongs to no session.
 * - Patches are applied to blocks of kept roots only, before they reach the state machine. The blocks that patches
 *   make are treated like blocks that arrive whole.
 * - A run is not written when a kept root or a reader uses its blocks, when its blocks are verified for the target,
 *   or when its CP is not above the published one. A dropped block that is needed is wanted later.
 * - The target outlives sessions: a root that was offered stays in the primary's history.
 * - After a failed write the mirror accepts nothing any more.
 */
import type { BlockRun } from '../../lib/block-run.ts'
import { unreachable } from '../../lib/assert.ts'
import { equalBytes } from '../../lib/bytes.ts'
import type { PublishedRoot } from '../../cp-engine/contract.ts'
import type { Geometry } from '../../format/geometry.ts'
import { isFrom, noUuid, samePosition } from '../../format/wire/messages.ts'
import type { BlockSource, FrameHead, MessageOf, MirrorNeed } from '../../format/wire/messages.ts'
import type { MirrorStatus, PollRemark, Position, WireErrorCode } from '../../format/wire/messages.ts'
import { ApplierAnswers } from './applier-answers.ts'
import type { ApplierAction, ApplierEvent, ApplierFacts, ApplierLimits } from './applier-events.ts'
import type { BlockSet } from '../link/block-set.ts'
import { type Target, newTarget } from './applier-target.ts'
import { claimedSum } from './claimed-sum.ts'
import type { ReceivedFrame, ReceivedRun } from '../link/frame-stream.ts'
import { type Problem, isAt, knows, problemOfFrame, problemOfRun } from './frame-checks.ts'
import { readOfferedRoot } from './offered-root.ts'
import { positionOf, publishedPosition } from '../link/positions.ts'
import type { Presence } from './presence.ts'

type BlockHead = FrameHead & { readonly source: BlockSource; readonly runs: readonly unknown[] }

export class Applier {
  private session: string | null = null
  /** Session name in the hello that opened the session: a repeated answer goes to that name. */
  private greetedAs = noUuid
  private greeting: MessageOf<'hello'> | null = null
  private greetingToken = 0
  /** Limit of the session: no frame of the session may name a block beyond. */
  private blocksMax = 0
  private target: Target | null = null
  private targetToken = 0
  private isPublishing = false
  /** Offer that is taken when the running publication has ended. */
  private nextOffer: MessageOf<'offer'> | null = null
  private tokens = 0
  private lastOffer = 0
  /** True while space for the last offer's difference is being checked: the offer counts as seen with the answer. */
  private isLastUnanswered = false
  private needs: MirrorNeed = 'nothing'
  private needsBytes = 0
  private failure: string | null = null
  private actions: ApplierAction[] = []
  private readonly answers: ApplierAnswers

  constructor(
    private readonly facts: ApplierFacts,
    private readonly presence: Presence,
    private readonly limits: ApplierLimits,
  ) {
    this.answers = new ApplierAnswers(facts, (action) => void this.actions.push(action))
  }

  handle(event: ApplierEvent): readonly ApplierAction[] {
    this.actions = []
    this.decide(event)
    return this.actions
  }

  /** The root that the mirror is being brought to. */
  readonly aim = (): Target | null => this.target
  /** Blocks that the verification of a target claims; null when nobody asks for that verification any more. */
  claimsOf(token = this.targetToken): BlockSet | null {
    return this.target && token === this.targetToken ? this.target.claimed : null
  }

  status(): MirrorStatus {
    const { target } = this
    const retained = this.facts.kept().map(positionOf)
    const at = publishedPosition(target?.root ?? null)
    if (target && !retained.some((position) => samePosition(position, at))) retained.push(at)
    return {
      side: this.facts.side,
      published: publishedPosition(this.facts.published()),
      target: at,
      stage: target?.stage ?? 'idle',
      needs: this.needs,
      needsBytes: this.needsBytes,
      offerSeen: this.isLastUnanswered ? this.lastOffer - 1 : this.lastOffer,
      receivedTo: target?.receivedTo ?? 0,
      missing: target?.wanted.size ?? 0,
      refused: this.answers.refused,
      retained,
    }
  }

  private decide(event: ApplierEvent): void {
    switch (event.kind) {
      case 'frame':
        return this.frame(event.frame)
      case 'drained':
        if (event.token === this.greetingToken) return this.greet()
        return this.ofTarget(event.token, (target) => this.drained(target))
      case 'adopted':
        if (event.token === this.greetingToken) this.welcome()
        return
      case 'prepared':
        return this.ofTarget(event.token, () => this.prepared(event.bytesLacking))
      case 'complete':
        return this.ofTarget(event.token, (target) => {
          target.stage = 'publishing'
          this.ask('drain')
        })
      case 'missing':
        return this.ofTarget(event.token, (target) => this.missing(target, event.wanted))
      case 'broken':
        return this.ofTarget(event.token, () => this.broken(event.code, event.detail))
      case 'published':
        return this.ofTarget(event.token, (target) => this.published(target))
      case 'no-space':
        return this.noSpace(event.bytesLacking)
      case 'failed':
        this.failure = event.detail
        this.needs = 'another-device'
        return this.answers.error(this.session ?? noUuid, 'device-failed', event.detail)
      default:
        return unreachable(event)
    }
  }

  // --- Sessions ---

  private frame(frame: ReceivedFrame): void {
    const { message } = frame
    this.answers.refused += frame.damaged
    const problem: Problem | null = this.failure
      ? ['device-failed', this.failure]
      : problemOfFrame(message, this.facts, this.session)
    if (problem) {
      this.answers.refused++
      return this.answers.error(message.session, ...problem)
    }
    if (!isFrom('primary', message))
      return this.answers.refuse(message, 'unsupported', `a mirror does not take ${message.kind}`)
    switch (message.kind) {
      case 'hello':
        return this.hello(message)
      case 'poll':
        return this.poll(message.remark)
      case 'patches':
        return this.patches(message, frame.runs)
      case 'blocks':
        if (!knows(message.base, this.facts, this.target)) return this.refuseBase(message)
        return this.blocks(message, frame.runs)
      case 'offer':
        return isAt(message.base, this.facts) ? this.offer(message) : this.refuseBase(message)
      default:
        return unreachable(message)
    }
  }

  private refuseBase(message: MessageOf<'blocks' | 'offer'>): void {
    this.answers.refuse(message, 'wrong-base', `cp ${message.base.cp} is not what this mirror has`)
  }

  private hello(message: MessageOf<'hello'>): void {
    if (this.session && message.session === this.greetedAs) return this.sayHello(this.session)
    this.session = null
    this.greeting = message
    this.greetingToken = ++this.tokens
    this.actions.push({ kind: 'drain', token: this.greetingToken })
  }

  private greet(): void {
    const { greeting } = this
    if (!greeting) return
    const { volume, epoch, geometry } = greeting
    if (this.facts.volume() !== null && epoch.number === this.facts.epoch().number) return this.welcome()
    this.greetingToken = ++this.tokens
    // A root of an older epoch need not be in the history of this epoch.
    this.dropTarget()
    this.actions.push({ kind: 'adopt', token: this.greetingToken, adoption: { volume, epoch, geometry } })
  }

  private welcome(): void {
    if (!this.greeting) return
    const opens = this.facts.newSession()
    this.session = opens
    this.greetedAs = this.greeting.session
    this.blocksMax = this.greeting.geometry.blocksMax
    this.greeting = null
    this.greetingToken = 0
    this.lastOffer = 0
    this.isLastUnanswered = false
    this.answers.restart()
    this.nextOffer = null
    this.sayHello(opens)
  }

  /** The primary polls from time to time: the mirror repeats answers that the primary may not have heard. */
  private poll(remark: PollRemark): void {
    const { target } = this
    if (target?.stage === 'wanting' && !target.hasProgress) this.sayWants(target)
    if (target) target.hasProgress = false
    // Somebody may have made room meanwhile; nothing else of the target is under way in these stages.
    if (this.needs === 'space' && target && (target.stage === 'receiving' || target.stage === 'wanting'))
      this.prepareSpace(target)
    // The mirror told the need with the target that needed space; the next offer shows whether the need remains.
    if (this.needs === 'space' && !target) this.needs = 'nothing'
    if (remark === 'no-common-cp') this.needs = 'a-common-cp'
    else if (this.needs === 'a-common-cp') this.needs = 'nothing'
    if (remark === 'space-short') this.actions.push({ kind: 'cut-long-readers' })
    this.sayReport()
  }

  // --- Blocks ---

  /** The root that these patches apply to; null when a refusal is certain, so that the refusal costs no read. */
  baseOf(message: MessageOf<'patches'>): PublishedRoot | null {
    const isTaken = !this.failure && !problemOfFrame(message, this.facts, this.session)
    return isTaken && this.isWelcome(message) ? this.keptAt(message.base) : null
  }

  private patches(message: MessageOf<'patches'>, made: readonly ReceivedRun[]): void {
    if (this.isWelcome(message) && !this.keptAt(message.base))
      return this.answers.refuse(message, 'wrong-base', `cp ${message.base.cp} is not kept here`)
    this.blocks(message, made)
  }

  private keptAt(position: Position): PublishedRoot | null {
    return this.facts.kept().find((kept) => samePosition(positionOf(kept), position)) ?? null
  }

  private blocks(message: BlockHead, runs: readonly ReceivedRun[]): void {
    if (!this.isWelcome(message)) {
      this.answers.refused += message.runs.length
      return
    }
    const { cp, source } = message
    const { target } = this
    const accepted = runs.filter((run) => this.accept(run, message))
    if (accepted.length > 0) this.actions.push({ kind: 'write', cp, runs: accepted })
    if (source === 'live' || target?.root.root.cp !== cp) return
    for (const { address, blocks } of runs) {
      if (source !== 'want') target.receivedTo = Math.max(target.receivedTo, address + blocks)
      this.arrived(target, address, blocks)
    }
  }

  /** False for blocks that are older than the image, and for blocks that were read for another target. */
  private isWelcome({ cp, source }: BlockHead): boolean {
    const { target } = this
    if (cp <= (this.facts.published()?.root.cp ?? 0)) return false
    return source === 'live' || target === null || target.root.root.cp === cp
  }

  private accept(run: ReceivedRun, message: FrameHead): boolean {
    const { address, blocks } = run
    const claimed = this.target?.claimed ?? null
    const problem = problemOfRun(run, message.cp, this.facts, this.geometry(), claimed, this.presence)
    const { sum, isWrong } = claimedSum(run, this.target?.root ?? this.facts.published())
    if (problem !== null || isWrong) {
      this.answers.refused++
      if (problem) this.answers.error(message.session, ...problem)
      return false
    }
    if (sum && this.presence.has(address, blocks, sum)) {
      this.actions.push({ kind: 'keep', cp: message.cp, run: { address, blocks } })
      return false
    }
    this.presence.wrote(address, blocks, message.cp, sum)
    return true
  }

  private arrived(target: Target, address: number, blocks: number): void {
    if (target.wanted.get(address) !== blocks) return
    target.wanted.delete(address)
    target.hasProgress = true
    if (target.wanted.size === 0 && target.stage === 'wanting') this.verify(target)
  }

  // --- The target ---

  private offer(message: MessageOf<'offer'>): void {
    if (message.offer <= this.lastOffer) return
    this.lastOffer = message.offer
    this.isLastUnanswered = false
    this.takeOffer(message)
  }

  private takeOffer(message: MessageOf<'offer'>): void {
    const published = this.facts.published()
    if (message.cp <= (published?.root.cp ?? 0)) return this.sayReport()
    if (this.target && equalBytes(this.target.root.bytes, message.root))
      return this.goOn(this.target, message)
    if (this.target?.stage === 'publishing') {
      this.nextOffer = message
      return
    }
    const root = readOfferedRoot(message, published, this.geometry())
    if ('problem' in root) return this.refuseRoot(message, root.code, root.problem)
    if (this.needs === 'a-newer-version') this.needs = 'nothing'
    this.dropTarget()
    const kept = this.facts.kept()
    if (kept.length + 1 > this.limits.rootsMax) {
      // The next offer finds room, or a later one.
      this.actions.push({ kind: 'cut-readers', root: kept[0]! })
      return this.sayReport()
    }
    // The mirror checks next whether there is space for this target.
    if (this.needs === 'space' && !message.isComplete) this.needs = 'nothing'
    this.target = newTarget(root)
    this.takeRootBlock(root)
    this.goOn(this.target, message)
  }

  private refuseRoot(offer: MessageOf<'offer'>, code: WireErrorCode, problem: string): void {
    if (code === 'newer-format') this.needs = 'a-newer-version'
    this.answers.refuse(offer, code, `cp ${offer.cp}: ${problem}`)
  }

  /** The volume may grow to the primary's limit, which may have been raised since the last root. */
  private geometry(): Geometry {
    return { ...this.facts.geometry(), blocksMax: this.blocksMax }
  }

  private goOn(target: Target, { isComplete, blocks }: MessageOf<'offer'>): void {
    if (isComplete) return target.stage === 'receiving' ? this.verify(target) : undefined
    // The primary had given the target up, and begins again.
    if (target.stage === 'wanting') target.stage = 'receiving'
    if (target.stage !== 'receiving') return
    target.blocks = blocks
    this.isLastUnanswered = true
    this.prepareSpace(target)
  }

  private prepareSpace({ root, blocks }: Target): void {
    this.actions.push({ kind: 'prepare', token: this.ask(null), cp: root.root.cp, blocks })
  }

  /** The offer carries the root block, so the primary need not send the root as a block too. */
  private takeRootBlock({ address, bytes, hash, root }: PublishedRoot): void {
    if (this.facts.uses(address, 1) || this.presence.has(address, 1, hash)) return
    this.presence.wrote(address, 1, root.cp, hash)
    this.actions.push({ kind: 'write', cp: root.cp, runs: [{ address, bytes }] })
  }

  private verify(target: Target): void {
    target.stage = 'verifying'
    target.wanted.clear()
    this.ask('drain')
  }

  private drained(target: Target): void {
    const kind = target.stage === 'publishing' ? 'publish' : 'verify'
    // From here on the fate of later writes does not concern a publication.
    this.isPublishing = kind === 'publish'
    this.actions.push({ kind, token: this.ask(null), target: target.root })
  }

  private missing(target: Target, wanted: readonly BlockRun[]): void {
    target.stage = 'wanting'
    target.hasProgress = true
    target.round++
    for (const { address, blocks } of wanted.slice(0, this.limits.wantsMax)) {
      const times = (target.timesWanted.get(address) ?? 0) + 1
      target.timesWanted.set(address, times)
      if (times > this.limits.wantsPerBlockMax) this.needs = 'sound-blocks'
      target.wanted.set(address, blocks)
    }
    if (this.needs === 'sound-blocks') this.sayReport()
    this.sayWants(target)
  }

  private sayWants(target: Target): void {
    if (!this.session) return
    const wanted = [...target.wanted].map(([address, blocks]) => ({ address, blocks }))
    this.answers.say(this.session, { kind: 'want', round: target.round, wanted }, target.root.root.cp)
  }

  private broken(code: WireErrorCode, detail: string): void {
    const { cp } = this.target!.root.root
    if (code === 'newer-format') this.needs = 'a-newer-version'
    this.dropTarget()
    if (this.session) this.answers.error(this.session, code, detail, cp)
  }

  private published(target: Target): void {
    this.presence.forgetUpTo(target.root.root.cp)
    this.needs = 'nothing'
    this.dropTarget()
    if (this.session) this.sayReport()
    const next = this.nextOffer
    this.nextOffer = null
    // The base of the offer is this root if the primary knew of the publication; otherwise the primary offers again.
    if (next && isAt(next.base, this.facts)) this.takeOffer(next)
  }

  private prepared(bytesLacking: number): void {
    this.isLastUnanswered = false
    this.needs = bytesLacking > 0 ? 'space' : 'nothing'
    this.needsBytes = bytesLacking
    if (bytesLacking > 0) this.actions.push({ kind: 'cut-long-readers' })
    // The primary may wait for this report.
    this.sayReport()
  }

  /** The waiting writes are gone, so every memory of them is wrong. */
  private noSpace(bytesLacking: number): void {
    this.presence.forgetAll()
    if (!this.isPublishing) this.dropTarget()
    this.prepared(bytesLacking)
  }

  private dropTarget(): void {
    this.target = null
    this.targetToken = 0
    this.isPublishing = false
    if (this.needs === 'sound-blocks') this.needs = 'nothing'
  }

  private ofTarget(token: number, then: (target: Target) => void): void {
    if (this.target && token === this.targetToken) then(this.target)
  }

  private ask(kind: 'drain' | null): number {
    this.targetToken = ++this.tokens
    if (kind) this.actions.push({ kind, token: this.targetToken })
    return this.targetToken
  }

  // --- Answers ---

  private sayHello(opens: string): void {
    this.answers.say(this.greetedAs, { kind: 'hello-answer', opens, ...this.status() })
  }

  private sayReport(): void {
    if (this.session) this.answers.say(this.session, { kind: 'report', ...this.status() })
  }
}
