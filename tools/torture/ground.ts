/** Where the two volumes lie, and how their machines die: by SIGKILL, or with the file system under them. */
import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { run } from '../live/command.ts'
import type { ServerProcess } from '../live/server-process.ts'

export interface Place {
  readonly data: string
  readonly logPath: string
}

export interface Ground {
  readonly primary: Place
  readonly mirror: Place
  /** Empty places. */
  make(): Promise<void>
  /** `begins` is called at the moment from which nothing that is heard counts. */
  strike(victims: readonly ServerProcess[], begins: () => void): Promise<void>
  /** After every server has ended. */
  clear(): Promise<void>
}

abstract class Folders implements Ground {
  readonly folder: string
  readonly primary: Place
  readonly mirror: Place

  constructor(parent = tmpdir()) {
    this.folder = mkdtempSync(join(parent, 'stillpoint-torture-'))
    this.primary = this.place('primary')
    this.mirror = this.place('mirror')
  }

  protected place(name: string): Place {
    return { data: join(this.folder, name, 'volume'), logPath: join(this.folder, `${name}.log`) }
  }

  abstract make(): Promise<void>
  abstract strike(victims: readonly ServerProcess[], begins: () => void): Promise<void>

  async clear(): Promise<void> {
    rmSync(this.folder, { recursive: true, force: true })
  }
}

export class PlainGround extends Folders {
  override async make(): Promise<void> {
    for (const { data } of [this.primary, this.mirror]) mkdirSync(join(data, '..'), { recursive: true })
  }

  /** What the killed process had said was true when it was said: it counts. */
  override async strike(victims: readonly ServerProcess[]): Promise<void> {
    await Promise.all(victims.map((victim) => victim.kill()))
  }
}

/** Each volume on an ext4 of its own, on a loop device over a sparse file. */
export class PowerGround extends Folders {
  private readonly mounted = new Set<string>()

  override async make(): Promise<void> {
    for (const place of [this.primary, this.mirror]) {
      const { mountPoint, image } = names(place)
      mkdirSync(mountPoint, { recursive: true })
      writeFileSync(image, '')
      truncateSync(image, imageBytes)
      await system('mkfs.ext4', '-q', '-F', '-E', 'lazy_itable_init=1,lazy_journal_init=1', image)
      await this.mount(place)
    }
  }

  override async strike(victims: readonly ServerProcess[], begins: () => void): Promise<void> {
    for (const victim of victims) victim.signal('SIGSTOP')
    begins()
    const places = victims.map((victim) => (victim.data === this.primary.data ? this.primary : this.mirror))
    for (const place of places) await system('xfs_io', '-x', '-c', 'shutdown', names(place).mountPoint)
    await Promise.all(victims.map((victim) => victim.kill()))
    for (const place of places) {
      await this.unmount(place)
      await this.mount(place)
    }
  }

  override async clear(): Promise<void> {
    for (const place of [this.primary, this.mirror]) await this.unmount(place)
    await super.clear()
  }

  private async mount(place: Place): Promise<void> {
    const { mountPoint, image } = names(place)
    await system('mount', '-o', 'loop', image, mountPoint)
    this.mounted.add(mountPoint)
  }

  private async unmount(place: Place): Promise<void> {
    const { mountPoint } = names(place)
    if (!this.mounted.delete(mountPoint)) return
    await system('umount', mountPoint)
  }
}

const imageBytes = 3 * 2 ** 30

const names = (place: Place) => {
  const mountPoint = join(place.data, '..')
  return { mountPoint, image: `${mountPoint}.ext4` }
}

async function system(...command: string[]): Promise<void> {
  const { code, out, err } = await run(command, 60_000)
  if (code !== 0) throw new Error(`${command.join(' ')} ended with ${code}: ${out}${err}`)
}

/** Why this machine cannot cut the power under a file system; null when it can. */
export async function powerProblem(): Promise<string | null> {
  if (process.getuid?.() !== 0) return 'only root may mount'
  for (const name of ['mkfs.ext4', 'mount', 'umount', 'xfs_io'])
    if (Bun.which(name) === null) return `${name} is not installed`
  const ground = new PowerGround()
  try {
    await ground.make()
    await system('xfs_io', '-x', '-c', 'shutdown', join(ground.primary.data, '..'))
    return null
  } catch (error) {
    return `no ext4 on a loop device here: ${error instanceof Error ? error.message.trim() : String(error)}`
  } finally {
    await ground.clear().catch(() => undefined)
  }
}
