/** A thread that ends takes nothing with it: what was asked is answered with nothing, and a new thread goes on. */
import { expect, test } from 'bun:test'
import { CatalogThread } from '../../../src/server/catalog/catalog-thread.ts'
import { cpRow, sideUuid } from '../../catalog/rows.ts'
import { served } from '../served.ts'

const { folder, start } = served()

function threadOn(path: string): { readonly thread: CatalogThread; readonly clock: { ms: number } } {
  const clock = { ms: 0 }
  const thread = new CatalogThread({ monotonic: () => clock.ms }, () => ({
    folder: path,
    sideUuid,
    publishedCp: 100,
    changes: { rowsMax: 10, daysMax: 1 },
    eventRowsMax: 10,
    logLevel: null,
  }))
  return { thread, clock }
}

test('a thread that fails answers nothing, and another one is begun after a while', async () => {
  const { thread, clock } = threadOn(folder())
  thread.recordCp(cpRow(1))
  expect(await thread.getCp(1)).toEqual(cpRow(1))
  const { worker } = thread as unknown as { worker: Worker }
  // No message that the thread knows.
  worker.postMessage(null)
  expect(await thread.getCp(1)).toBeNull()
  expect(await thread.listCps(10, null)).toEqual([])
  expect(await thread.state()).toEqual({ cp: null, rootHash: null, changesAfter: null })
  expect(thread.dropped).toBe(0)
  thread.recordCp(cpRow(2))
  expect(thread.dropped).toBe(1)
  clock.ms = 10_000
  thread.recordCp(cpRow(3))
  expect((await thread.listCps(10, null)).map(({ cp }) => cp)).toEqual([3, 1])
  await thread.close()
  expect(await thread.getCp(1)).toBeNull()
})

test('without files there are the history and its gauges alone', async () => {
  const { url } = await start(folder(), { flags: { catalogFiles: 'off' } })
  const text = await (await fetch(`${url}/metrics`)).text()
  expect(text).toContain('stillpoint_catalog_dropped_rows_total 0')
  expect(text).not.toContain('stillpoint_catalog_cp')
})
