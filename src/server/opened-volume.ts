/**
 * The folder of a volume, held by this process: lock, block file, catalog.
 *
 * - The lock is taken first and released last, so two processes never serve one volume.
 * - A block file appears whole or not at all.
 * - The catalog is history: a catalog that cannot be used is set aside, and a volume without a usable catalog is
 *   served all the same.
 */
import { join } from 'node:path'
import { createWhole, openDurably } from '../blockdev/block-folder.ts'
import { type BlockDevice, DeviceError } from '../blockdev/block-device.ts'
import { copyOnWriteProblem } from '../blockdev/host-file-system.ts'
import { FileFolder } from '../blockdev/file-folder.ts'
import { lockVolume } from '../blockdev/volume-lock.ts'
import { CatalogThread } from './catalog/catalog-thread.ts'
import type { ServerConfiguration } from './configuration/configuration.ts'
import { blockFileName, narrowModes } from './volume-folder.ts'
import { createMirror, createPrimary } from '../cp-engine/create-volume.ts'
import {
  growBytesDefault,
  makeGeometry,
  superblockAddress,
  superblockCopies,
  superblockCopyBlocks,
  superblockSlots,
  blockBytes,
} from '../format/geometry.ts'
import { decodeSuperblock, type Role } from '../format/disk/superblock.ts'
import type { Clock } from '../lib/clock.ts'
import { hasCode, StillpointError } from '../lib/errors.ts'
import { logger, startedLevel } from '../lib/log.ts'
import type { Random } from '../lib/random.ts'

const log = logger('volume')

export interface World {
  readonly clock: Clock
  readonly random: Random
}

export class OpenedVolume {
  private catalog: CatalogThread | null = null

  private constructor(
    private readonly path: string,
    private readonly folder: FileFolder,
    private opened: OpenedDevice,
    readonly role: Role,
    private readonly release: () => void,
  ) {}

  get device(): BlockDevice {
    return this.opened.device
  }

  /** Why the block file is open for reading only, in words; null when the block file can be written. */
  get onlyReadsWhy(): string | null {
    return this.opened.onlyReadsWhy
  }

  /** Opens the volume of the folder; makes a volume of the role `roleOfNew` when the folder has none. */
  static async open(
    roleOfNew: Role,
    configuration: ServerConfiguration,
    world: World,
  ): Promise<OpenedVolume> {
    const path = configuration.data
    const folder = await FileFolder.make(path)
    const lock = lockVolume(path)
    try {
      if (!(await folder.has(blockFileName))) await create(folder, roleOfNew, configuration, world)
      const opened = await openDevice(folder)
      try {
        const role = await readRole(opened.device)
        // The files of a folder that has no volume are not this program's.
        sayModes(path)
        const volume = new OpenedVolume(path, folder, opened, role, () => lock.release())
        if (role === 'primary' && opened.onlyReadsWhy === null) await volume.fillHoles()
        return volume
      } catch (error) {
        await opened.device.close()
        throw error
      }
    } catch (error) {
      lock.release()
      throw error
    }
  }

  /**
   * Allocates every block, because a copy of a volume may be sparse: the space that a primary counts as free must
   * really be there. Where the space is missing, the volume is only read.
   */
  private async fillHoles(): Promise<void> {
    try {
      await this.device.allocate({ address: 0, blocks: this.device.blockCount })
    } catch (error) {
      if (!hasCode(error, 'disk-full')) throw error
      await this.reopenForReading(
        `the block file has holes, and there is no space to fill them: ${error.message}`,
      )
    }
  }

  /** Opens the block file again after a write of the open has failed: the content can still be read. */
  async reopenForReading(why: string): Promise<void> {
    // The thread of an open that failed would write to the catalog beside the next one.
    await this.catalog?.close()
    await this.device.close()
    this.opened = { device: await this.folder.open(blockFileName, { readOnly: true }), onlyReadsWhy: why }
  }

  /** Begins the thread of the catalog. */
  openCatalog(
    sideUuid: string,
    publishedCp: () => number,
    {
      catalogChangeRowsMax: rowsMax,
      catalogChangeDaysMax: daysMax,
      catalogEventRowsMax: eventRowsMax,
    }: ServerConfiguration,
    clock: Clock,
  ): CatalogThread {
    this.catalog = new CatalogThread(clock, () => ({
      folder: this.path,
      sideUuid,
      publishedCp: publishedCp(),
      changes: { rowsMax, daysMax },
      eventRowsMax,
      logLevel: startedLevel(),
    }))
    return this.catalog
  }

  async close(): Promise<void> {
    await this.catalog?.close()
    await this.device.close()
    this.release()
  }
}

function sayModes(path: string): void {
  const { narrowed, open } = narrowModes(path)
  if (narrowed.length > 0)
    log.warn('others could use files of the volume, and now only their owner can', { files: narrowed })
  if (open.length > 0)
    log.warn('others may use files of the volume, and their modes cannot be changed', { files: open })
}

interface OpenedDevice {
  readonly device: BlockDevice
  readonly onlyReadsWhy: string | null
}

/** Opens for reading only where writing is refused, or where the name of the file cannot be made durable. */
async function openDevice(folder: FileFolder): Promise<OpenedDevice> {
  try {
    const device = await openDurably(folder, blockFileName)
    const problem = copyOnWriteProblem(join(folder.path, blockFileName))
    if (problem !== null) log.warn(problem)
    return { device, onlyReadsWhy: null }
  } catch (error) {
    if (!(error instanceof DeviceError) && !hasCode(error, 'disk-full')) throw error
    const device = await folder.open(blockFileName, { readOnly: true }).catch(() => null)
    if (device === null) throw error
    return { device, onlyReadsWhy: error.message }
  }
}

async function create(
  folder: FileFolder,
  role: Role,
  { volumeBytesMax, logBytes, recordChecksum }: ServerConfiguration,
  world: World,
): Promise<void> {
  const options = {
    ...world,
    geometry: makeGeometry(volumeBytesMax, growBytesDefault, logBytes),
    recordChecksum,
  }
  const make = role === 'primary' ? createPrimary : createMirror
  await createWhole(folder, blockFileName, 1, (device) => make(device, options))
}

/** Role in the newest readable superblock; the open later decides whether that superblock may be relied on. */
async function readRole(device: BlockDevice): Promise<Role> {
  let newest: { readonly generation: number; readonly role: Role } | null = null
  for (let slot = 0; slot < superblockSlots; slot++)
    for (let copy = 0; copy < superblockCopies; copy++) {
      const address = superblockAddress(slot, copy)
      if (address + superblockCopyBlocks > device.blockCount) continue
      const bytes = new Uint8Array(superblockCopyBlocks * blockBytes)
      await device.read(address, bytes)
      const found = decodeSuperblock(bytes, slot)
      if (found && found.generation > (newest?.generation ?? 0)) newest = found
    }
  if (newest) return newest.role
  throw new StillpointError('corrupt', 'no superblock can be read: this is not a volume, or it is lost', {
    waysOut: ['restore from a mirror'],
  })
}
