/** The second reader, which was written from docs/format.md alone, against the engine: on every kind of volume. */
import { expect, test } from 'bun:test'
import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { RootSource } from '../../src/cp-engine/contract.ts'
import { Volume } from '../../src/cp-engine/volume/volume.ts'
import { readPublished } from '../../src/fs/read/read-view.ts'
import { rootPath } from '../../src/fs/paths.ts'
import { MemoryBlocks } from '../../tools/reader/blocks.ts'
import { checkBlocks } from '../../tools/reader/check.ts'
import { Findings } from '../../tools/reader/damage.ts'
import { sha256, xxh3 } from '../../tools/reader/sums.ts'
import { View } from '../../tools/reader/view.ts'
import { Volume as ReaderVolume } from '../../tools/reader/volume.ts'
import { importsOf } from '../../tools/source-code.ts'
import { cacheLimit } from '../engine-limits.ts'
import { readFile } from '../laboratory/compare.ts'
import { EventLoop, ProcessClock } from '../laboratory/event-loop.ts'
import { finished, openSmall } from '../laboratory/small-volume.ts'
import { type Image } from '../simulated/crash-image.ts'
import { SimulatedDevice } from '../simulated/simulated-device.ts'
import { bytesOf, kinds, specimens, volumesOf } from './volumes.ts'

interface Seen {
  readonly path: string
  readonly kind: string
  readonly size: number
  readonly mode: number
  readonly created: string
  readonly modified: string
  readonly contentType: string | null
  readonly meta: Readonly<Record<string, string>>
  readonly target: string | null
  readonly bytes: string | null
}

const sumOf = (bytes: Uint8Array): string => new Bun.CryptoHasher('sha256').update(bytes).digest('hex')
const timeOf = (ms: number, nanos: number): string =>
  new Date(ms).toISOString().slice(0, -1) + String(nanos).padStart(6, '0') + 'Z'

async function seenByEngine(source: RootSource): Promise<Seen[]> {
  const view = readPublished(source, source.current())
  const { entries } = await view.list(rootPath, { after: null, limit: 1000, recursive: true })
  const seen: Seen[] = []
  for (const { path, stat } of entries) {
    const { kind, size, mode, contentType, meta, target } = stat
    const created = timeOf(stat.createdMs, stat.createdNanos)
    const modified = timeOf(stat.modifiedMs, stat.modifiedNanos)
    const bytes = kind === 'file' ? sumOf(await readFile(view, path)) : null
    seen.push({ path: path.join('/'), kind, size, mode, created, modified, contentType, meta, target, bytes })
  }
  view.release()
  return seen.toSorted((a, b) => Buffer.compare(Buffer.from(a.path), Buffer.from(b.path)))
}

function seenByReader(bytes: Uint8Array, withLog: boolean): Seen[] {
  const findings = new Findings()
  const volume = new ReaderVolume(new MemoryBlocks(bytes), findings)
  expect(findings.list).toEqual([])
  const { items, records } = volume.read(withLog)
  const view = new View(items, records, volume.root?.checksumKind ?? 1)
  return view.list().map(({ path, entry, contentType = null, meta = {}, target = null }) => {
    const { entryKind: kind, size, mode, created, modified } = entry
    const sum = kind === 'file' ? view.sha256(entry) : null
    return { path, kind, size, mode, created, modified, contentType, meta, target, bytes: sum }
  })
}

const publishedOf = async (image: Image): Promise<Seen[]> => {
  const clock = new ProcessClock(new EventLoop())
  return seenByEngine(await Volume.open(new SimulatedDevice({ image }), { clock, ...cacheLimit }))
}

async function openedOf(image: Image): Promise<Seen[]> {
  const loop = new EventLoop()
  const opening = openSmall(new SimulatedDevice({ image }), new ProcessClock(loop), 'again')
  const engine = await finished(loop, opening)
  return finished(loop, seenByEngine(engine))
}

test.each([...kinds])(
  '%s, packed %p: the reader sees what the engine reads, before and after a replay',
  async (checksum, isPacked) => {
    const volumes = await volumesOf(checksum, isPacked)
    for (const [name, image] of specimens(volumes)) {
      const bytes = bytesOf(image)
      const published = await publishedOf(image)
      expect(published.length).toBeGreaterThan(15)
      expect([name, seenByReader(bytes, false)]).toEqual([name, published])
      const opened = name === 'mirror' ? published : await openedOf(image)
      expect([name, seenByReader(bytes, true)]).toEqual([name, opened])
      const isLogged = name === 'killed' || name === 'sealed'
      expect(Bun.deepEquals(published, opened)).toBe(!isLogged)
      for (const withLog of [false, true])
        expect([name, checkBlocks(new MemoryBlocks(bytes), withLog)]).toEqual([name, []])
    }
  },
  30_000,
)

test('no file of the reader imports anything of src/', () => {
  const folder = join(import.meta.dir, '../../tools/reader')
  const imports = readdirSync(folder).flatMap((name) =>
    importsOf(readFileSync(join(folder, name), 'utf8')).map(({ from }) => from),
  )
  expect(imports.length).toBeGreaterThan(50)
  expect(imports.filter((from) => !/^(?:\.\/[a-z]+\.ts|node:[a-z]+)$/.test(from))).toEqual([])
})

test('the reader has the known answers of the sums, as the page has them', () => {
  const page = readFileSync(join(import.meta.dir, '../../docs/format.md'), 'utf8')
  const rows = page.matchAll(
    /^\| (XXH3-64|SHA-256) +\| (\d+) +\| (?:`([0-9a-f]{8})`)? +\| `([0-9a-f]+)` +\|$/gm,
  )
  let count = 0
  for (const [, sum, length, seed = '0', answer] of rows) {
    const input = Uint8Array.from({ length: Number(length) }, (_, i) => Math.imul(i + 1, 0x9e3779b1) >>> 24)
    const found = sum === 'SHA-256' ? sha256(input) : xxh3(input, parseInt(seed, 16)).reverse()
    expect([sum, length, seed, Buffer.from(found).toString('hex')]).toEqual([sum, length, seed, answer!])
    count++
  }
  expect(count).toBe(28)
})
