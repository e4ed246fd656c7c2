/** Examples of /v1/cps. */
import type { Example } from './example.ts'
import { sample } from './volume.ts'

const { cp, time } = sample

const item = {
  cp,
  epoch: 0,
  rootHash: '8d74beec1be996322ad76813bafb92d40839895d6dd7ee808b17ca201eac98be',
  cause: 'requested',
  committedAt: time,
  blocksWritten: 9,
  bytesWritten: 36864,
  coalesced: 0,
  retained: true,
}

export const cpExamples = {
  list: [
    {
      title: 'The newest consistency point',
      request: { query: { limit: 1 } },
      answer: { status: 200, body: { items: [item], next: 'WyJjdXJzb3IiXQ' } },
    },
  ],
  get: [
    {
      title: 'One consistency point',
      request: { parameter: cp },
      answer: { status: 200, body: item },
    },
  ],
  take: [
    {
      title: 'Take one now',
      answer: { status: 201, headers: { 'Stillpoint-CP': cp }, body: item },
    },
  ],
} satisfies Record<string, readonly Example[]>
