/** The folder of a volume while a server opens it: whatever an open that failed has begun, is ended. */
import { afterEach, expect, test } from 'bun:test'
import { systemClock } from '../../src/lib/clock.ts'
import { systemRandom } from '../../src/lib/random.ts'
import { readConfiguration } from '../../src/server/configuration/configuration.ts'
import { OpenedVolume } from '../../src/server/opened-volume.ts'
import { type TempFolder, tempFolder } from '../blockdev/temp-folder.ts'
import { cpRow } from '../catalog/rows.ts'

const folders: TempFolder[] = []
afterEach(() => {
  for (const folder of folders.splice(0)) folder.remove()
})

test('an open that is begun again for reading leaves no thread that writes to the catalog', async () => {
  const folder = tempFolder()
  folders.push(folder)
  const flags = { data: folder.file('volume'), volumeBytesMax: '256MiB', logBytes: '8MiB' }
  const configuration = readConfiguration('primary', { flags, environment: {}, file: undefined })
  const world = { clock: systemClock, random: systemRandom }
  const volume = await OpenedVolume.open('primary', configuration, world)
  const open = () => volume.openCatalog('side', () => 1, configuration, systemClock)
  const failed = open()
  await volume.reopenForReading('nothing can be written')
  const next = open()
  failed.recordCp(cpRow(1))
  next.recordCp(cpRow(1))
  expect([failed.dropped, next.dropped]).toEqual([1, 0])
  expect(await next.listCps(10, null)).toHaveLength(1)
  await volume.close()
})
