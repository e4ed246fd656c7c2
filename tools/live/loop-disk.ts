/** A small disk of its own for a test: a file system in a sparse file, mounted by a loop device. */
import {
  mkdirSync,
  mkdtempSync,
  openSync,
  closeSync,
  rmSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { run } from './command.ts'

export type DiskKind = 'ext4' | 'btrfs'

export class LoopDisk {
  readonly path: string
  private readonly image: string
  private isMounted = false

  private constructor(
    place: string,
    readonly kind: DiskKind,
  ) {
    this.path = join(place, `mnt.${kind}`)
    this.image = join(place, `disk.${kind}`)
  }

  /** In an empty place; the caller removes the disk, and then the place. */
  static async make(place: string, kind: DiskKind, bytes: number): Promise<LoopDisk> {
    const disk = new LoopDisk(place, kind)
    mkdirSync(disk.path)
    writeFileSync(disk.image, '')
    truncateSync(disk.image, bytes)
    await system(`mkfs.${kind}`, '-q', kind === 'ext4' ? '-F' : '-f', disk.image)
    await disk.mount()
    return disk
  }

  async mount(): Promise<void> {
    await system('mount', '-o', 'loop', this.image, this.path)
    this.isMounted = true
  }

  async unmount(): Promise<void> {
    if (!this.isMounted) return
    await system('umount', this.path)
    this.isMounted = false
  }

  remount(option: 'ro' | 'rw' | 'abort'): Promise<void> {
    return system('mount', '-o', `remount,${option}`, this.path)
  }

  /** To the last byte, by files of somebody else; the returned function takes them away. */
  async fill(): Promise<() => Promise<void>> {
    const names: string[] = []
    // What is allocated late shows only after a sync, and small files find room where large ones do not.
    for (let i = 0; i < 3; i++) {
      const name = join(this.path, `filler-${i}`)
      if (!fillOne(name)) break
      names.push(name)
      await run(['sync', '-f', this.path])
    }
    return async () => {
      for (const name of names) rmSync(name, { force: true })
      await run(['sync', '-f', this.path])
    }
  }

  /** After everything that uses it has ended. */
  async remove(): Promise<void> {
    await this.unmount()
    rmSync(this.image, { force: true })
  }
}

/** False when not even the name was taken. */
function fillOne(path: string): boolean {
  let descriptor: number
  try {
    descriptor = openSync(path, 'w')
  } catch {
    return false
  }
  for (let bytes = 2 ** 20; bytes >= 512;) {
    try {
      writeSync(descriptor, new Uint8Array(bytes).fill(0x66))
    } catch {
      bytes /= 2
    }
  }
  closeSync(descriptor)
  return true
}

async function system(...command: string[]): Promise<void> {
  const { code, out, err } = await run(command, 60_000)
  if (code !== 0) throw new Error(`${command.join(' ')} ended with ${code}: ${out}${err}`)
}

/** Why this machine cannot have such a disk; null when it can. */
export async function diskProblem(kind: DiskKind): Promise<string | null> {
  if (process.getuid?.() !== 0) return 'only root may mount'
  for (const name of [`mkfs.${kind}`, 'mount', 'umount'])
    if (Bun.which(name) === null) return `${name} is not installed`
  const place = mkdtempSync(join(tmpdir(), 'stillpoint-disk-'))
  try {
    const disk = await LoopDisk.make(place, kind, 256 * 2 ** 20)
    await disk.remove()
    return null
  } catch (error) {
    return `no ${kind} on a loop device here: ${error instanceof Error ? error.message.trim() : String(error)}`
  } finally {
    rmSync(place, { recursive: true, force: true })
  }
}
