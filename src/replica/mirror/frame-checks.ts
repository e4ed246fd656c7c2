/**
 * Reasons for which a mirror refuses a frame or a run, whatever the mirror is doing. Pure. A problem is first a code,
 * then words.
 */
import { equalBytes } from '../../lib/bytes.ts'
import { type Geometry, isDataRun } from '../../format/geometry.ts'
import {
  type FrameHead,
  type Message,
  type Position,
  type WireErrorCode,
  isNowhere,
  noUuid,
  samePosition,
} from '../../format/wire/messages.ts'
import type { ApplierFacts } from './applier-events.ts'
import type { Target } from './applier-target.ts'
import type { BlockSet } from '../link/block-set.ts'
import type { ReceivedRun } from '../link/frame-stream.ts'
import { positionOf, publishedPosition } from '../link/positions.ts'
import type { Presence } from './presence.ts'

export type Problem = readonly [code: WireErrorCode, detail: string]

export function problemOfFrame(
  message: Message,
  facts: ApplierFacts,
  session: string | null,
): Problem | null {
  const foreign = problemOfOrigin(message, facts)
  if (foreign) return foreign
  if (message.kind === 'hello') {
    const isMeant = message.member === noUuid || message.member === facts.side
    return isMeant ? null : ['another-side', `this is ${facts.side}`]
  }
  const isOpen = message.session === session && message.epoch.number === facts.epoch().number
  return isOpen ? null : ['unknown-session', 'a hello must come first']
}

function problemOfOrigin({ volume, epoch }: FrameHead, facts: ApplierFacts): Problem | null {
  const mine = facts.volume()
  if (mine === null) return null
  if (volume !== mine) return ['foreign-volume', `this mirror belongs to volume ${mine}`]
  const known = facts.epoch()
  if (epoch.number < known.number) return ['older-epoch', `epoch ${known.number} has been met here`]
  if (epoch.number === known.number && !equalBytes(epoch.id, known.id)) {
    return ['another-epoch', `epoch ${epoch.number} is another one here: two histories`]
  }
  return null
}

/**
 * Null means that the run may be written. Undefined means that the run is dropped without an answer, because networks
 * repeat and delay frames.
 */
export function problemOfRun(
  { address, blocks }: ReceivedRun,
  cp: number,
  facts: ApplierFacts,
  geometry: Geometry,
  claimed: BlockSet | null,
  presence: Presence,
): Problem | null | undefined {
  if (!isDataRun(geometry, address, blocks)) {
    return ['outside-the-volume', `blocks ${address} to ${address + blocks - 1} are not for data`]
  }
  if (claimed?.hasAny(address, blocks)) return undefined
  if (facts.uses(address, blocks))
    return ['block-in-use', `a retained root uses block ${address} or its followers`]
  return presence.isNewer(address, blocks, cp) ? undefined : null
}

/**
 * True when blocks may have this base: any root that is known here, because the blocks may have left before the last
 * report arrived.
 */
export function knows(base: Position, facts: ApplierFacts, target: Target | null): boolean {
  if (isNowhere(base)) return facts.published() === null
  const roots = [...facts.kept(), ...(target ? [target.root] : [])]
  return roots.some((root) => samePosition(positionOf(root), base))
}

export const isAt = (base: Position, facts: ApplierFacts): boolean =>
  samePosition(publishedPosition(facts.published()), base)
