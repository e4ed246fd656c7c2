/**
 * `bun bench/catalog.ts [FILES]`: what the files of the catalog cost, over a volume in a folder that is removed
 * afterwards: the first fill, consistency points of 1,000 random changes, a moved directory, questions, bytes, memory.
 */
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { FileDevice } from '../src/blockdev/file-device.ts'
import { CatalogFile } from '../src/catalog/catalog-file.ts'
import { FileCatalog } from '../src/catalog/files/file-catalog.ts'
import { imageOf, type ImageRoot } from '../src/catalog/files/image.ts'
import { publicViews } from '../src/catalog/schema.ts'
import { askFile } from '../src/catalog/sql/ask-file.ts'
import { sqlBoundsOffline } from '../src/server/configuration/server-options.ts'
import { createPrimary } from '../src/cp-engine/create-volume.ts'
import { openPrimary } from '../src/cp-engine/open-primary.ts'
import { makeGeometry } from '../src/format/geometry.ts'
import { VolumeFiles } from '../src/fs/file-system.ts'
import { parsePlainPath } from '../src/fs/paths.ts'
import { systemClock as clock } from '../src/lib/clock.ts'
import { seededRandom } from '../src/lib/random.ts'

const files = Number(process.argv[2] ?? 1_000_000)
const perDirectory = 1000
const mebibyte = 2 ** 20
const random = seededRandom(7)
const folder = mkdtempSync(join(tmpdir(), 'stillpoint-bench-catalog-'))

const pathOf = (i: number) =>
  parsePlainPath(`d${Math.floor(i / perDirectory)}/file-${String(i).padStart(7, '0')}`)
const rss = (): number => Math.round(process.memoryUsage.rss() / mebibyte)

async function timed<T>(what: string, work: () => Promise<T> | T): Promise<T> {
  const cpu = process.cpuUsage()
  const began = performance.now()
  const result = await work()
  const ms = performance.now() - began
  const { user, system } = process.cpuUsage(cpu)
  const used = ((user + system) / 1000).toFixed(1)
  console.log(`${what.padEnd(48)} ${ms.toFixed(1).padStart(9)} ms ${used.padStart(9)} ms of processor`)
  return result
}

async function main(): Promise<void> {
  const path = join(folder, 'volume.blk')
  const device = await FileDevice.create(path, 8192)
  await createPrimary(device, {
    clock,
    random,
    geometry: makeGeometry(64 * 1024 * mebibyte),
    recordChecksum: 'xxh3',
  })
  const engine = await openPrimary(device, {
    clock,
    random,
    cpIntervalMs: 1000,
    queueBytesMax: 64 * mebibyte,
    nodeCacheBytesMax: 128 * mebibyte,
    packing: null,
  })
  const volume = new VolumeFiles(engine, clock)
  const batch = (of: readonly number[], bytes: number) =>
    volume.batch(of.map((i) => ({ op: 'put', path: pathOf(i), content: new Uint8Array(bytes) })))
  const pins: { release(): void }[] = []
  const cp = async (): Promise<ImageRoot> => {
    const published = await engine.requestCp('requested')
    pins.push(engine.pin(published))
    return imageOf(published)
  }
  await timed(`${files} empty files, by the engine`, async () => {
    const made = Array.from({ length: Math.ceil(files / perDirectory) }, (_, d) => d)
    for (const d of made) {
      await volume.makeDirectory(parsePlainPath(`d${d}`), {})
      await batch(
        Array.from({ length: perDirectory }, (_, i) => d * perDirectory + i),
        0,
      )
    }
  })
  let at = await cp()
  const catalogPath = join(folder, 'catalog.db')
  const file = new CatalogFile(catalogPath, {
    clock,
    sideUuid: 'bench',
    publishedCp: () => at.cp,
    makePrivate: () => {},
    setAside: () => {},
  })
  const reading = await FileDevice.open(path, { readOnly: true })
  const catalog = new FileCatalog(file, { clock, blocks: reading, changes: { rowsMax: 1e6, daysMax: 30 } })
  const before = rss()
  await timed('first fill', () => catalog.fill(at))
  console.log(`memory ${before} MiB before the fill, ${rss()} MiB after it`)
  console.log(`catalog.db ${(statSync(catalogPath).size / files).toFixed(0)} bytes a file`)
  for (let round = 0; round < 5; round++) {
    await batch(
      Array.from({ length: 1000 }, () => random.below(files)),
      round + 1,
    )
    const target = await cp()
    const base = at
    const pass = await timed('a consistency point of 1,000 random changes', () =>
      catalog.follow(base, target),
    )
    if (pass.outcome !== 'done') throw new Error(pass.outcome)
    at = target
  }
  await volume.move(parsePlainPath('d0'), parsePlainPath('moved'), { overwrite: false })
  const target = await cp()
  await timed('a directory of 1,000 files moved', () => catalog.follow(at, target))
  const ask = (what: string, query: string): Promise<unknown> =>
    timed(what, () => {
      const question = { query, params: [], rowsMax: 1000, format: 'json', views: publicViews } as const
      const { head } = askFile({ path: catalogPath, bounds: sqlBoundsOffline }, question)
      if (head.kind !== 'answer') throw new Error(JSON.stringify(head))
      return head
    })
  await ask(
    'one file, by directory and name',
    `SELECT size FROM files WHERE directory = (SELECT id FROM directories WHERE path = 'd7') AND name = 'file-0007001'`,
  )
  await ask(
    'the files of one directory',
    `SELECT count(*) FROM files WHERE directory = (SELECT id FROM directories WHERE path = 'd7')`,
  )
  await ask(
    'changes of the last consistency point',
    'SELECT count(*) FROM changes WHERE cp = (SELECT cp FROM catalog)',
  )
  await ask('all files, the ten largest', 'SELECT path, size FROM files ORDER BY size DESC LIMIT 10')
  await ask(
    'all files, bytes by directory',
    'SELECT directory, sum(size) FROM files GROUP BY directory LIMIT 10',
  )
  console.log(`memory ${rss()} MiB at the end`)
  file.close()
  await timed('the look at the pages, at the next open', () => {
    const again = new CatalogFile(catalogPath, {
      clock,
      sideUuid: 'bench',
      publishedCp: () => at.cp + 10,
      makePrivate: () => {},
      setAside: () => {},
    })
    again.close()
  })
  for (const pin of pins) pin.release()
  await volume.close()
  await engine.close()
  await reading.close()
  await device.close()
}

try {
  await main()
} finally {
  rmSync(folder, { recursive: true, force: true })
}
