/** The rivals of a mirror: rsync to a daemon of its own, and btrfs send to a second file system, both on this machine. */
import { closeSync, mkdirSync, openSync, readFileSync, writeFileSync, writeSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { rivalAbsence } from '../harness/contestants.ts'
import type { Absent, Bench } from '../harness/contract.ts'
import { toolPath } from '../harness/machine.ts'
import type { Scale } from '../harness/scale.ts'
import { stateHash } from '../harness/state.ts'
import { freePort } from '../harness/workspace.ts'
import { contentOf, keyPath } from '../load/content.ts'
import { filesOfFolder } from '../servers/server.ts'
import { burstBytes, type Change, type Copied } from './copied.ts'

const imageBytes = 8 * 2 ** 30

/** Files in a folder, changed in place. */
class PlainSource {
  constructor(
    readonly path: string,
    private readonly scale: Scale,
  ) {}

  fill(): void {
    const { mirrorFiles, mirrorFileBytes } = this.scale
    for (let key = 0; key < mirrorFiles; key++) this.write('data', key, contentOf(mirrorFileBytes, key, 1))
  }

  change(changes: readonly Change[]): void {
    for (const { key, offset, bytes, version } of changes) {
      const fd = openSync(join(this.path, 'data', keyPath(key)), 'r+')
      writeSync(fd, contentOf(bytes, key, version), 0, bytes, offset)
      closeSync(fd)
    }
  }

  burst(files: number, writes: number): void {
    for (let i = 0; i < writes; i++) this.write('burst', i % files, contentOf(burstBytes, i % files, i))
    for (let key = 0; key < files; key++) this.write('burst', key, contentOf(burstBytes, key, writes))
  }

  private write(folder: string, key: number, content: Uint8Array): void {
    const path = join(this.path, folder, keyPath(key))
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, content)
  }
}

export async function rsyncCopy(bench: Bench): Promise<Copied | Absent> {
  const absent = rivalAbsence(bench, 'rsync')
  if (absent !== null) return { name: 'rsync', role: 'rival', absent }
  const { workspace } = bench
  const { processes } = workspace
  const folder = workspace.folder('rsync')
  const source = new PlainSource(join(folder, 'source'), bench.scale)
  mkdirSync(source.path)
  mkdirSync(join(folder, 'targets'))
  const port = await freePort()
  writeFileSync(
    join(folder, 'rsyncd.conf'),
    `use chroot = no\n${process.getuid?.() === 0 ? 'uid = 0\ngid = 0\n' : ''}[targets]\npath = ${join(folder, 'targets')}\nread only = no\n`,
  )
  const daemon = ['rsync', '--daemon', '--no-detach', '--address=127.0.0.1', `--port=${port}`]
  await processes.start({ command: [...daemon, `--config=${join(folder, 'rsyncd.conf')}`] })
  await Bun.sleep(300)

  async function run(target: string): Promise<number> {
    const to = `rsync://127.0.0.1:${port}/targets/${target}/`
    const output = await processes.run(['rsync', '-a', '--stats', `${source.path}/`, to])
    await processes.run(['sync', '-f', join(folder, 'targets')])
    const figure = (name: string): number =>
      Number(new RegExp(`${name}: ([\\d,]+)`).exec(output)?.[1]?.replaceAll(',', ''))
    return figure('Total bytes sent') + figure('Total bytes received')
  }

  return {
    name: 'rsync',
    role: 'rival',
    async fill() {
      source.fill()
      await run('copy')
    },
    async firstCopy() {
      const began = performance.now()
      const wire = await run('first')
      const ms = performance.now() - began
      workspace.remove(join(folder, 'targets/first'))
      return { wire, ms }
    },
    async change(changes) {
      source.change(changes)
    },
    async burst(files, writes) {
      source.burst(files, writes)
    },
    async sync() {
      const wire = await run('copy')
      return { wire: async () => wire }
    },
    hash: () => stateHash(filesOfFolder(join(folder, 'targets/copy'), 'data')),
    close: async () => undefined,
  }
}

export async function btrfsCopy(bench: Bench): Promise<Copied | Absent> {
  const absent = rivalAbsence(bench, 'btrfs', 'mkfs.btrfs', 'losetup')
  if (absent !== null) return { name: 'btrfs', role: 'rival', absent }
  const { workspace } = bench
  const { processes } = workspace
  const folder = workspace.folder('btrfs')
  const [from, to] = [join(folder, 'from'), join(folder, 'to')]
  try {
    for (const at of [from, to]) {
      mkdirSync(at)
      await processes.run(['truncate', '-s', String(imageBytes), `${at}.image`])
      await processes.run([toolPath('mkfs.btrfs') ?? '', '-q', `${at}.image`])
      await processes.run(['mount', '-o', 'loop', `${at}.image`, at])
      workspace.whenClosed(() => {
        Bun.spawnSync(['umount', at])
      })
    }
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    return { name: 'btrfs', role: 'rival', absent: `no loop mount of btrfs here: ${reason.slice(0, 200)}` }
  }
  const source = new PlainSource(join(from, 'source'), bench.scale)
  await processes.run(['btrfs', 'subvolume', 'create', source.path])
  let number = 0
  let last = ''

  /** Sends a snapshot, the whole or the difference to the last one, and has it on disk on the other side. */
  async function send(base: string): Promise<{ readonly name: string; readonly wire: number }> {
    const name = `s${++number}`
    await processes.run(['btrfs', 'subvolume', 'snapshot', '-r', source.path, join(from, name)])
    const count = join(folder, 'count')
    const parent = base === '' ? '' : `-p ${join(from, base)}`
    await processes.run([
      'bash',
      '-c',
      `set -o pipefail; btrfs send -q ${parent} ${join(from, name)} | dd bs=1M iflag=fullblock 2>${count} | btrfs receive -q ${to}`,
    ])
    await processes.run(['btrfs', 'filesystem', 'sync', to])
    return { name, wire: Number(/(\d+) bytes/.exec(readFileSync(count, 'utf8'))?.[1]) }
  }
  const drop = async (name: string): Promise<void> => {
    for (const at of [from, to]) await processes.run(['btrfs', 'subvolume', 'delete', join(at, name)])
  }

  return {
    name: 'btrfs',
    role: 'rival',
    async fill() {
      source.fill()
      last = (await send('')).name
    },
    async firstCopy() {
      const began = performance.now()
      const { name, wire } = await send('')
      const ms = performance.now() - began
      await drop(name)
      return { wire, ms }
    },
    async change(changes) {
      source.change(changes)
    },
    async burst(files, writes) {
      source.burst(files, writes)
    },
    async sync() {
      const { name, wire } = await send(last)
      await drop(last)
      last = name
      return { wire: async () => wire }
    },
    hash: () => stateHash(filesOfFolder(join(to, last), 'data')),
    close: async () => undefined,
  }
}
