/** Volumes with something of everything, made by the real engine: as bytes, which is all that the reader gets. */
import { seededRandom } from '../../src/lib/random.ts'
import { TokenDesk } from '../../src/access/token-settings.ts'
import { knownTokens } from '../access/issued.ts'
import { createMirror, createPrimary } from '../../src/cp-engine/create-volume.ts'
import type { ChecksumKind } from '../../src/format/pointer.ts'
import { makeGeometry } from '../../src/format/geometry.ts'
import { VolumeFiles } from '../../src/fs/file-system.ts'
import type { FileSystem } from '../../src/fs/contract.ts'
import { StillpointError } from '../../src/lib/errors.ts'
import { Chance } from '../laboratory/chance.ts'
import { EventLoop, ProcessClock } from '../laboratory/event-loop.ts'
import { type Habits, contentOf, pathOf, perform, someOperation } from '../laboratory/file-operations.ts'
import { zstdInTurn } from '../laboratory/packing.ts'
import { SmallPair } from '../laboratory/small-pair.ts'
import { must } from '../laboratory/violation.ts'
import { finished, openSmall } from '../laboratory/small-volume.ts'
import { type Image, everythingSurvives } from '../simulated/crash-image.ts'
import { SimulatedDevice } from '../simulated/simulated-device.ts'
import { blockBytes } from '../../src/format/geometry.ts'

export interface Specimens {
  /** With a log to replay, before and after an empty group has sealed it. */
  readonly killed: Image
  readonly sealed: Image
  /** Closed: nothing to replay. */
  readonly closed: Image
  /** Of the last CP before the kill. */
  readonly mirror: Image
}

const mebibyte = 2 ** 20
const geometry = makeGeometry(32 * mebibyte, mebibyte, mebibyte)
const sealMs = 50
const operationsByChance = 25

async function makeVolumes(recordChecksum: ChecksumKind, isPacked: boolean): Promise<Specimens> {
  const name = `reader ${recordChecksum} ${isPacked}`
  const loop = new EventLoop()
  const clock = new ProcessClock(loop)
  const random = new Chance(name)
  const device = new SimulatedDevice()
  const empty = new SimulatedDevice()
  await finished(loop, createPrimary(device, { clock, random, geometry, recordChecksum }))
  await finished(loop, createMirror(empty, { clock, random, geometry }))
  const packing = isPacked ? zstdInTurn : null
  const engine = await finished(loop, openSmall(device, clock, name, { packing }))
  const pair = await SmallPair.make(loop, clock, engine, empty.image(everythingSurvives))
  const files = new VolumeFiles(engine, clock)
  files.start()
  await finished(loop, publishedFiles(files))
  await finished(loop, byChance(files, new Chance(`${name} operations`)))
  const { root } = await finished(loop, engine.requestCp('requested'))
  const isMirrored = await finished(loop, pair.mirrors.waitMirrored(root.cp, 1, clock.monotonic() + 60_000))
  must(isMirrored, 'the mirror has what was published')
  await loop.pass(sealMs)
  const mirror = pair.device.image(everythingSurvives)
  pair.close()
  const last = await finished(loop, loggedFiles(files))
  await finished(loop, engine.reach(last, 'logged'))
  const killed = device.image(everythingSurvives)
  await loop.pass(sealMs)
  const sealed = device.image(everythingSurvives)
  await finished(loop, files.close())
  await finished(loop, engine.close())
  return { killed, sealed, closed: device.image(everythingSurvives), mirror }
}

export const kinds = [
  ['xxh3', false],
  ['xxh3', true],
  ['sha256', true],
] as const

const made = new Map<string, Promise<Specimens>>()

/** Made once for all tests of a process: nobody writes on them. */
export function volumesOf(checksum: ChecksumKind, isPacked: boolean): Promise<Specimens> {
  const name = `${checksum} ${isPacked}`
  const volumes = made.get(name) ?? makeVolumes(checksum, isPacked)
  made.set(name, volumes)
  return volumes
}

export const specimens = (volumes: Specimens): [keyof Specimens, Image][] =>
  Object.entries(volumes) as [keyof Specimens, Image][]

const content = (length: number, seed: number) => contentOf({ length, seed })
const put = (files: FileSystem, path: string, length: number, seed: number) =>
  files.putFile(pathOf(path.split('/')), content(length, seed), {}, { lengthHint: length })

/** What the consistency point has. */
async function publishedFiles(files: FileSystem): Promise<void> {
  await put(files, 'empty', 0, 1)
  await put(files, 'small', 100, 2)
  await put(files, 'packed', 60_000, 3)
  await put(files, 'large', 300_000, 5)
  await put(files, 'deep/er/est/file', 5000, 6)
  await files.makeDirectory(pathOf(['nothing']), { mode: 0o1700, meta: { why: 'to be empty' } })
  await files.putLink(pathOf(['link']), '../somewhere/else', {})
  await files.putLink(pathOf(['long link']), 'x/'.repeat(1500), {})
  await files.putFile(pathOf(['rich']), content(20, 7), {
    contentType: 'text/plain; charset=utf-8',
    meta: { author: 'Ä. Ö. Ü', empty: '', long: 'm'.repeat(1800) },
    mode: 0o640,
    modifiedMs: Date.UTC(1969, 6, 20, 20, 17, 40, 1),
    modifiedNanos: 234_567,
  })
  await files.putFile(pathOf(['old']), content(1, 1), {
    modifiedMs: Date.UTC(2000, 0) - 2000 * 365.2425 * 86_400_000,
  })
  await put(files, 'holes', 10, 8)
  await files.patchFile(pathOf(['holes']), 700_000, content(70_000, 9))
  await files.patchFile(pathOf(['large']), 123_456, content(1000, 10))
  await files.patchFile(pathOf(['large']), 'end', content(1000, 11))
  await put(files, 'cut', 400_000, 12)
  await files.resizeFile(pathOf(['cut']), 100_001)
  await files.resizeFile(pathOf(['cut']), 200_000)
  await put(files, 'all holes', 0, 1)
  await files.resizeFile(pathOf(['all holes']), 3_000_000)
  for (let i = 0; i < 30; i++) await put(files, `many/file ${i}`, i * 7, i)
  await put(files, 'gone', 200_000, 13)
  await files.deleteFile(pathOf(['gone']))
  await files.move(pathOf(['deep']), pathOf(['nothing', 'moved']), { overwrite: false })
  await files.changeSettings((settings) => settings.put('colour', content(700, 14)))
  await new TokenDesk(files, knownTokens(), seededRandom(3)).create({
    name: 'ä reader',
    role: 'admin',
    prefix: 'deep/er',
    expiresMs: Date.UTC(2100, 0),
  })
}

/** What the log alone has: records inside of it, records that it names, and changes of what was published. */
async function loggedFiles(files: FileSystem) {
  await put(files, 'logged', 300, 20)
  await put(files, 'many/file 3', 5000, 21)
  async function* chunks() {
    for (let at = 0; at < 150_000; at += 50_000) yield await Promise.resolve(content(50_000, 22 + at))
  }
  await files.putFile(pathOf(['named']), chunks(), {})
  await files.patchFile(pathOf(['large']), 64_000, content(5000, 23))
  await files.resizeFile(pathOf(['holes']), 720_000)
  await files.move(pathOf(['nothing', 'moved']), pathOf(['back']), { overwrite: false })
  await files.deleteDirectory(pathOf(['many']), { recursive: true })
  await files.deleteFile(pathOf(['packed']))
  const { applied } = await files.putFile(pathOf(['last']), content(80, 24), {
    meta: { of: 'm'.repeat(1500) },
  })
  return applied
}

const habits: Habits = { largeMax: 100_000, hasGiants: false, fills: false, logs: false, deletes: 10 }

async function byChance(files: FileSystem, chance: Chance): Promise<void> {
  const known = { files: [], directories: [], versionOf: () => null }
  for (let i = 0; i < operationsByChance; i++)
    try {
      await perform(files, someOperation(chance, habits, known), () => null)
    } catch (error) {
      if (!(error instanceof StillpointError)) throw error
    }
}

export function bytesOf({ blocks, blockCount }: Image): Uint8Array {
  const bytes = new Uint8Array(blockCount * blockBytes)
  for (const address of blocks.addresses()) bytes.set(blocks.get(address), address * blockBytes)
  return bytes
}
