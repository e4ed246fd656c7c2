/** The numbers of docs/limits.md are those of the program. */
import { expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { keptCpsMax } from '../../../src/fs/read/image-leases.ts'
import { clientsRememberedMax } from '../../../src/routes/limits/clients.ts'
import { bodiesMax, sessionsMax } from '../../../src/replica/link/peer-sessions.ts'
import { strangerMsMax, strangersMax } from '../../../src/replica/link/strangers.ts'
import { potsDefault } from '../../../src/routes/limits/pots.ts'
import { refusalReasons } from '../../../src/routes/limits/refusals.ts'
import {
  crowdedBufferedBytesMax,
  crowdedRequests,
  eventStreamsLimits,
  forcedCpsRate,
  streamsLimits,
  uploadsLimits,
} from '../../../src/routes/limits/resources.ts'
import { wrongCredentials } from '../../../src/routes/http/server.ts'
import { readConfiguration } from '../../../src/server/configuration/configuration.ts'

const page = readFileSync(join(import.meta.dir, '../../../docs/limits.md'), 'utf8')
const rows = page
  .split('\n')
  .filter((line) => /^\| [a-z]/.test(line))
  .map((line) => line.split('|').map((cell) => cell.trim()))
const mib = 2 ** 20

test('each limit has its row', () => {
  const defaults = readConfiguration('primary', { flags: { data: 'd' }, environment: {}, file: undefined })
  const { requestsMax, clientRequestsMax, uploadBytesMax, downloadBytesMax, idleSeconds } = defaults
  const { system } = potsDefault
  const expected: (readonly [all: number | '', ofClient: number | ''])[] = [
    [requestsMax, clientRequestsMax],
    [requestsMax, clientRequestsMax],
    [system.most, system.mostOfClient],
    [strangersMax, ''],
    [strangerMsMax / 1000, ''],
    [bodiesMax, ''],
    [uploadBytesMax / mib, uploadBytesMax / mib / 2],
    [uploadsLimits.waitingMax, uploadsLimits.clientWaitingMax],
    [downloadBytesMax / mib, downloadBytesMax / mib / 2],
    [streamsLimits.most, streamsLimits.mostOfClient],
    [eventStreamsLimits.most, eventStreamsLimits.mostOfClient],
    ['', forcedCpsRate.burst],
    ['', forcedCpsRate.perSecond],
    [defaults.sqlQueriesMax, defaults.sqlQueriesMax / 2],
    [defaults.sqlWaitingMax, defaults.sqlWaitingMax / 2],
    [defaults.sqlMsMax, ''],
    [defaults.sqlRowsMax, ''],
    [defaults.sqlAnswerBytesMax / mib, ''],
    [defaults.sqlValueBytesMax / mib, ''],
    [defaults.sqlMemoryBytesMax / mib, ''],
    ['', wrongCredentials.burst],
    ['', wrongCredentials.perSecond],
    [keptCpsMax, keptCpsMax],
    [keptCpsMax, keptCpsMax],
    [clientsRememberedMax, ''],
    [idleSeconds, ''],
  ]
  const [, ...given] = rows
  expect(given.map(([, , all, ofClient]) => [all, ofClient])).toEqual(
    expected.map(([all, ofClient]) => [String(all), String(ofClient)]),
  )
  expect(page).toContain(`more than ${crowdedRequests} requests in progress`)
  expect([bodiesMax, sessionsMax]).toEqual([4, 4])
  expect(page).toContain(`above ${crowdedBufferedBytesMax / 1024} KiB is sent in pieces`)
})

test('each reason of a refusal is named', () => {
  expect(refusalReasons.filter((why) => !page.includes(`\`${why}\``))).toEqual([])
})
