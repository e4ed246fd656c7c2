/** Examples of /v1/mirrors, and of /v1/mirror on a mirror. */
import type { Example } from './example.ts'
import { sample } from './volume.ts'

const { away, cp, mirror, nowhere, time } = sample

const live = {
  ...mirror,
  state: 'live',
  cp,
  lagCps: 0,
  lagMs: 0,
  needs: null,
  heldBytes: 0,
  lastSeen: time,
}
const unreached = {
  ...away,
  state: 'away',
  cp: null,
  lagCps: null,
  lagMs: null,
  needs: null,
  heldBytes: null,
  lastSeen: null,
}

export const mirrorExamples = {
  list: [
    { title: 'The mirrors of this volume', answer: { status: 200, body: { items: [live, unreached] } } },
  ],
  add: [
    {
      title: 'Add a mirror that is not there yet',
      request: { body: { url: nowhere } },
      answer: { status: 202, body: { ...unreached, url: nowhere } },
    },
  ],
  remove: [
    { title: 'Forget a mirror that is away', request: { parameter: away.id }, answer: { status: 204 } },
  ],
  own: [
    {
      title: 'This mirror',
      answer: {
        status: 200,
        body: {
          id: mirror.id,
          volume: '5c9d1e42-7b0f-4c58-8f1e-0a6b3d2c9e77',
          state: 'live',
          cp,
          targetCp: null,
          lagCps: 0,
          lagMs: 0,
          needs: null,
          lastSeen: time,
        },
      },
    },
  ],
} satisfies Record<string, readonly Example[]>
