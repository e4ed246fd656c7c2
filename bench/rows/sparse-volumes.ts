/**
 * Opening volumes that are almost empty and very large.
 *
 * A volume's space is really there, so a sparse file would be filled when it is opened. The volumes therefore lie in a
 * file system of their own, on a loop device over a sparse image: what is reserved in it takes no space outside.
 */
import { mkdirSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import type { Absent, Bench, Contestant, Scenario } from '../harness/contract.ts'
import { metrics } from '../harness/contract.ts'
import { Generator } from '../harness/generator.ts'
import { hasTool, toolPath } from '../harness/machine.ts'
import { cpuSecondsOf } from '../servers/server.ts'
import { startPrimary, takeCp } from '../servers/stillpoint.ts'
import { fillVolume } from './fill-volume.ts'
import { cpuMs, quiet, reopened, rss, verifyLog } from './sizes.ts'

const files = 1000
const fileBytes = 4096
const gib = 2 ** 30
const nameOf = (bytes: number): string => `${bytes / gib} GiB`

export const sparseVolumes: Scenario = {
  name: 'sparse volumes',
  rows: (scale) => [
    {
      id: 'open-sparse',
      title: `open after kill -9, sparse volumes, ${scale.logBytes / 2 ** 20} MiB of log`,
      subject: nameOf(scale.sparseBytes.at(-1)!),
      metrics: [metrics.time, cpuMs, rss],
    },
  ],
  async open(bench) {
    const { sparseBytes, keys } = bench.scale
    const place = await roomyFolder(
      bench,
      sparseBytes.reduce((sum, bytes) => sum + bytes, 4 * gib),
    )
    if (typeof place !== 'string') return sparseBytes.map((bytes) => ({ ...place, name: nameOf(bytes) }))
    const generator = await Generator.start(bench.workspace.processes)
    const contestants: Contestant[] = []
    for (const bytes of sparseBytes) {
      let server = await startPrimary(bench, { data: join(place, `volume-${bytes}`) })
      await fillVolume(server, Math.min(files, keys), fileBytes)
      await takeCp(server)
      await server.stop()
      truncateSync(join(server.data, 'volume.blk'), bytes)
      server = await startPrimary(bench, { data: server.data, flags: quiet })
      contestants.push({
        name: nameOf(bytes),
        role: 'stillpoint',
        async measure(_row, round) {
          const before = server
          server = await reopened(bench, generator, before, {
            bytes: bench.scale.logBytes,
            version: round + 1,
          })
          const [child] = server.children
          const sample = {
            time: server.readyMs,
            cpu: cpuSecondsOf(server) * 1000,
            rss: child!.memory().now,
          }
          await verifyLog(generator, before, server)
          return sample
        },
        close: () => server.stop(),
      })
    }
    return contestants
  },
}

async function roomyFolder({ workspace }: Bench, bytes: number): Promise<string | Absent> {
  const absent = (why: string): Absent => ({
    name: '',
    role: 'stillpoint',
    absent: `no loop mount here: ${why}`,
  })
  if (!hasTool('mkfs.ext4') || !hasTool('losetup')) return absent('mkfs.ext4 or losetup is not installed')
  const folder = workspace.folder('roomy')
  const [image, at] = [join(folder, 'image'), join(folder, 'mount')]
  mkdirSync(at)
  try {
    await workspace.processes.run(['truncate', '-s', String(bytes), image])
    const lazily = [
      '-q',
      '-T',
      'largefile4',
      '-m',
      '0',
      '-E',
      'lazy_itable_init=1,lazy_journal_init=1,nodiscard',
    ]
    await workspace.processes.run([toolPath('mkfs.ext4') ?? '', ...lazily, image])
    await workspace.processes.run(['mount', '-o', 'loop,noinit_itable', image, at])
  } catch (error) {
    return absent((error instanceof Error ? error.message : String(error)).slice(0, 200))
  }
  workspace.whenClosed(() => {
    Bun.spawnSync(['umount', at])
  })
  return at
}
