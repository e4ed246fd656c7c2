/** Resources of an app without a listener: tests say who asks by a header of their own. */
import type { Clock } from '../../src/lib/clock.ts'
import { Refusals } from '../../src/routes/limits/refusals.ts'
import { Resources } from '../../src/routes/limits/resources.ts'

interface Given {
  readonly clock: Clock
  readonly uploadBytesMax?: number
  readonly downloadBytesMax?: number
  readonly requests?: () => number
}

export const clientHeader = 'X-Test-Client'

export const resourcesFor = ({ clock, uploadBytesMax, downloadBytesMax, requests }: Given): Resources =>
  new Resources({
    clock,
    refusals: new Refusals(),
    uploadBytesMax: uploadBytesMax ?? 128 * 2 ** 20,
    downloadBytesMax: downloadBytesMax ?? 64 * 2 ** 20,
    clientOf: (request) => request.headers.get(clientHeader) ?? 'somebody',
    requests: requests ?? (() => 0),
    keepOpen: () => {},
  })
