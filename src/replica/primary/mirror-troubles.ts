/** The primary's reaction to each refusal of a mirror, and the mirror's needs in words. */
import { unreachable } from '../../lib/assert.ts'
import type { FrameHead, MirrorStatus, WireErrorCode } from '../../format/wire/messages.ts'

/**
 * `end`: only time or an operator changes the refusal. `ask`: the primary polls, and the next report shows where the
 * mirror stands. `go on`: the primary does nothing, because the mirror will want each refused block that it needs.
 */
type Reaction = 'reconnect' | 'end' | 'give up target' | 'ask' | 'go on'

export const reactions: Readonly<Record<WireErrorCode, Reaction>> = {
  'unknown-session': 'reconnect',
  'foreign-volume': 'end',
  'another-side': 'end',
  'older-epoch': 'end',
  'another-epoch': 'end',
  unsupported: 'end',
  'device-failed': 'end',
  'bad-root': 'give up target',
  'broken-hold': 'give up target',
  'damaged-base': 'give up target',
  'newer-format': 'give up target',
  'wrong-base': 'ask',
  'outside-the-volume': 'go on',
  'block-in-use': 'go on',
}

type Epoch = FrameHead['epoch']
export const isHigher = (epoch: Epoch, known: Epoch): boolean => epoch.number > known.number

/** Null for needs that are met without an operator: by the next target, or by sending again. */
export function needInWords({ needs, needsBytes }: MirrorStatus): string | null {
  switch (needs) {
    case 'space':
      return `${needsBytes} bytes of space`
    case 'a-newer-version':
      return 'a newer version of Stillpoint: it does not know the format of this volume'
    case 'another-device':
      return 'another device: a write failed'
    case 'nothing':
    case 'a-common-cp':
    case 'sound-blocks':
      return null
    default:
      return unreachable(needs)
  }
}

/** There is no other way yet: the mirror's root cannot be the base of any root that this primary has. */
export const startAgain = (cp: number): string =>
  `no common consistency point: it has published ${cp}, which is not kept here. Stop the mirror, empty its folder, start it again; then DELETE /v1/mirrors/ID here and POST /v1/mirrors with its address`

export const isOlderCopy = (cp: number): string =>
  `no common consistency point: this primary is an older copy of its volume, and the mirror has ${cp}, which is lost here. No write is taken any more: see "An old copy" in docs/replication.md`
