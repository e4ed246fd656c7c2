/**
 * The thread of the catalog: it owns the only connection that writes the file, and reads the block file by itself, for
 * reading only. Whatever SQLite or the disk keep it waiting for, the server goes on.
 */
import { type BlockDevice, DeviceError } from '../../blockdev/block-device.ts'
import { FileFolder } from '../../blockdev/file-folder.ts'
import { Catalog, type CpRow } from '../../catalog/catalog.ts'
import { FileCatalog } from '../../catalog/files/file-catalog.ts'
import type { Blocks, ImageRoot } from '../../catalog/files/image.ts'
import { assert } from '../../lib/assert.ts'
import { systemClock } from '../../lib/clock.ts'
import { startLogging } from '../../lib/log.ts'
import type {
  CatalogAnswer,
  CatalogAnswers,
  CatalogCall,
  CatalogFailure,
  CatalogSetting,
  CatalogWord,
} from './catalog-messages.ts'
import { blockFileName, catalogPath, makePrivate, setCatalogAside } from '../volume-folder.ts'

declare const self: Worker

/** Rows of CPs that fill a file which had to be made again while the server runs. */
const knownCpsMax = 64

/** The block file, opened again when it has grown. */
class VolumeBlocks implements Blocks {
  private device: BlockDevice | null = null

  constructor(private readonly folder: string) {}

  get blockCount(): number {
    return this.device?.blockCount ?? 0
  }

  readSync(address: number, target: Uint8Array): void {
    assert(this.device, 'the block file is open during a pass')
    this.device.readSync(address, target)
  }

  async ready({ blockCount }: ImageRoot): Promise<void> {
    if (this.blockCount >= blockCount) return
    await this.close()
    const folder = await FileFolder.open(this.folder)
    this.device = await folder.open(blockFileName, { readOnly: true })
  }

  async close(): Promise<void> {
    await this.device?.close()
    this.device = null
  }
}

class CatalogService {
  private readonly catalog: Catalog
  private readonly files: FileCatalog
  private readonly blocks: VolumeBlocks
  private known: readonly CpRow[] = []

  constructor({ folder, sideUuid, publishedCp, changes, eventRowsMax }: CatalogSetting) {
    this.blocks = new VolumeBlocks(folder)
    this.catalog = new Catalog(catalogPath(folder), {
      sideUuid,
      publishedCp: () => this.known.at(-1)?.cp ?? publishedCp,
      clock: systemClock,
      eventRowsMax,
      makePrivate,
      setAside: setCatalogAside,
    })
    this.catalog.onFresh(() => this.known)
    this.files = new FileCatalog(this.catalog.file, { clock: systemClock, blocks: this.blocks, changes })
  }

  get dropped(): number {
    return this.catalog.dropped
  }

  hear(word: Exclude<CatalogWord, { readonly kind: 'open' }>): void {
    switch (word.kind) {
      case 'cp':
        this.known = [...this.known.slice(1 - knownCpsMax), word.row]
        this.catalog.recordCp(word.row)
        return
      case 'transfer':
        this.catalog.recordTransfer(word.row)
        return
      case 'audit':
        this.catalog.recordAudit(word.row)
        return
      case 'event':
        this.catalog.recordEvent(word.row)
        return
      case 'mirrors':
        this.catalog.recordMirrors(word.rows)
        return
      case 'cancel':
        this.files.cancel()
    }
  }

  async answer(call: CatalogCall): Promise<ReturnType<CatalogAnswers[keyof CatalogAnswers]>> {
    const { catalog, files } = this
    switch (call.name) {
      case 'listCps':
        return catalog.listCps(...call.args)
      case 'getCp':
        return catalog.getCp(...call.args)
      case 'newestAtOrBefore':
        return catalog.newestAtOrBefore(...call.args)
      case 'state':
        return files.state()
      case 'follow':
        return this.pass(call.args[1], () => files.follow(...call.args))
      case 'fill':
        return this.pass(call.args[0], () => files.fill(...call.args))
      case 'close':
        catalog.close()
        await this.blocks.close()
        return null
    }
  }

  private async pass(target: ImageRoot, work: () => ReturnType<FileCatalog['fill']>) {
    try {
      await this.blocks.ready(target)
      // The rows of CPs tell which CP has changed an entry.
      this.catalog.flush()
      await this.catalog.settled()
      return await work()
    } catch (error) {
      if (!(error instanceof DeviceError)) throw error
      return { outcome: 'unreadable', reason: error.message, state: this.files.state() } as const
    }
  }
}

let service: Promise<CatalogService> | null = null

/** Words and calls that come while the catalog is being opened are taken in their order. */
self.addEventListener('message', ({ data }: MessageEvent<CatalogWord | CatalogCall>) => {
  if (data.kind === 'open') {
    service = open(data.setting)
    return
  }
  assert(service, 'the first word opens the catalog')
  service
    .then((opened) => (data.kind === 'call' ? answer(opened, data) : opened.hear(data)))
    .catch((error: unknown) => {
      const failed = error instanceof Error ? (error.stack ?? error.message) : String(error)
      self.postMessage({ failed } satisfies CatalogFailure)
    })
})

async function open(setting: CatalogSetting): Promise<CatalogService> {
  if (setting.logLevel !== null) await startLogging(setting.logLevel)
  return new CatalogService(setting)
}

async function answer(asked: CatalogService, call: CatalogCall): Promise<void> {
  const value = await asked.answer(call)
  self.postMessage({ number: call.number, value, dropped: asked.dropped } satisfies CatalogAnswer)
}
