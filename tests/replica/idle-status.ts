/** The status of a mirror that has nothing, gets nothing and lacks nothing; `change` says what differs. */
import { type MirrorStatus, nowhere } from '../../src/format/wire/messages.ts'

export const idleStatus = (change: Partial<MirrorStatus> = {}): MirrorStatus => ({
  side: '',
  published: nowhere,
  target: nowhere,
  stage: 'idle',
  needs: 'nothing',
  needsBytes: 0,
  offerSeen: 0,
  receivedTo: 0,
  missing: 0,
  refused: 0,
  retained: [],
  ...change,
})
