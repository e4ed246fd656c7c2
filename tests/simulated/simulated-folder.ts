/**
 * The block files of a volume on simulated disks. Changes of names reach the disk in their order, as a journal keeps
 * them: a crash keeps any first part of those that no sync covered.
 */
import { assert } from '../../src/lib/assert.ts'
import { StillpointError } from '../../src/lib/errors.ts'
import { DeviceError, type BlockDevice } from '../../src/blockdev/block-device.ts'
import type { BlockFolder } from '../../src/blockdev/block-folder.ts'
import { crashImage, nothingSurvives, type CrashChoice, type CrashState, type Image } from './crash-image.ts'
import { CrashError, SimulatedDevice } from './simulated-device.ts'
import type { SimulatedOptions } from './simulated-options.ts'

/** One file, whatever its name; reopened it goes on where its last device was. */
interface File {
  device: SimulatedDevice
}
type Names = ReadonlyMap<string, File>

export interface FolderCrashState {
  /** Names with their files' states: first the durable ones, then after each change that was not synced. */
  readonly steps: readonly ReadonlyMap<string, CrashState>[]
}

export type FolderImage = ReadonlyMap<string, Image>

export interface SimulatedFolderOptions {
  readonly image?: FolderImage
  /** What each device of this folder is made with. */
  readonly device?: (name: string) => Omit<SimulatedOptions, 'image' | 'blockCount'>
  /** Runs when a change of names has begun and nothing of it is done. */
  readonly onMutation?: (change: string) => void
}

export class SimulatedFolder implements BlockFolder {
  private readonly options: SimulatedFolderOptions
  /** The last one is what is seen now; the first one is durable. */
  private steps: Names[]
  private crashed = false

  constructor(options: SimulatedFolderOptions = {}) {
    this.options = options
    const files = [...(options.image ?? [])].map(
      ([name, image]) => [name, { device: this.make(name, { image }) }] as const,
    )
    this.steps = [new Map(files)]
  }

  async has(name: string): Promise<boolean> {
    return this.now().has(name)
  }

  async open(name: string): Promise<BlockDevice> {
    const file = this.now().get(name)
    if (!file) throw new DeviceError(`there is no ${name}`)
    file.device = file.device.reopened(this.options.device?.(name) ?? {})
    return file.device
  }

  async create(name: string, blockCount: number): Promise<BlockDevice> {
    if (this.now().has(name)) throw new StillpointError('exists', `${name} exists`)
    const device = this.make(name, {})
    this.change(`create ${name}`, (names) => names.set(name, { device }))
    await device.grow(blockCount)
    return device
  }

  async rename(from: string, to: string): Promise<void> {
    const file = this.now().get(from)
    assert(file, `there is no ${from} to rename`)
    this.change(`rename ${from} ${to}`, (names) => {
      names.delete(from)
      names.set(to, file)
    })
  }

  async remove(name: string): Promise<void> {
    if (this.now().has(name)) this.change(`remove ${name}`, (names) => names.delete(name))
  }

  async sync(): Promise<void> {
    this.began('sync')
    this.steps = [this.now()]
  }

  crash(): void {
    this.crashed = true
    for (const names of this.steps) for (const file of names.values()) file.device.crash()
  }

  crashState(): FolderCrashState {
    return {
      steps: this.steps.map(
        (names) => new Map([...names].map(([name, file]) => [name, file.device.crashState()])),
      ),
    }
  }

  private make(name: string, more: SimulatedOptions): SimulatedDevice {
    return new SimulatedDevice({ ...this.options.device?.(name), ...more })
  }

  private now(): Names {
    if (this.crashed) throw new CrashError()
    return this.steps.at(-1)!
  }

  private change(what: string, change: (names: Map<string, File>) => void): void {
    this.began(what)
    const next = new Map(this.now())
    change(next)
    this.steps.push(next)
  }

  private began(what: string): void {
    this.now()
    this.options.onMutation?.(what)
    this.now()
  }
}

/** What is left when the first `survivingChanges` changes of names have reached the disk. */
export function folderImage(
  state: FolderCrashState,
  survivingChanges: number,
  choice: CrashChoice = nothingSurvives,
): FolderImage {
  const step = state.steps[survivingChanges]
  assert(step, 'as many changes survive as there were, at most')
  return new Map([...step].map(([name, device]) => [name, crashImage(device, choice)]))
}
