/**
 * Makes the answers of a mirror: each answer gets a number, the CP that the answer is about, and the mirror's base.
 */
import { type FrameBody, type Message, type WireErrorCode, noUuid } from '../../format/wire/messages.ts'
import { publishedPosition } from '../link/positions.ts'
import type { ApplierAction, ApplierFacts } from './applier-events.ts'

export class ApplierAnswers {
  private number = 0
  /** Frames and runs that the mirror has not taken since the process began. */
  refused = 0

  constructor(
    private readonly facts: ApplierFacts,
    private readonly act: (action: ApplierAction) => void,
  ) {}

  /** Starts counting frames again, for a new session. */
  restart(): void {
    this.number = 0
  }

  refuse({ session, cp }: Message, code: WireErrorCode, detail: string): void {
    this.refused++
    this.error(session, code, detail, cp)
  }

  error(session: string, code: WireErrorCode, detail: string, cp?: number): void {
    this.say(session, { kind: 'error', code, detail }, cp)
  }

  say(session: string, body: FrameBody, cp?: number): void {
    const base = publishedPosition(this.facts.published())
    const head = { volume: this.facts.volume() ?? noUuid, session, epoch: this.facts.epoch(), base }
    this.act({ kind: 'answer', message: { ...head, cp: cp ?? base.cp, number: this.number++, ...body } })
  }
}
