/** One catalog with its files over a volume in memory: a pass happens when a test says so. */
import { afterEach } from 'bun:test'
import { Database } from 'bun:sqlite'
import { join } from 'node:path'
import { type ChangesKept, FileCatalog } from '../../../src/catalog/files/file-catalog.ts'
import { CatalogFile } from '../../../src/catalog/catalog-file.ts'
import { imageOf, type ImageRoot } from '../../../src/catalog/files/image.ts'
import type { PublishedRoot } from '../../../src/cp-engine/contract.ts'
import { parsePlainPath } from '../../../src/fs/paths.ts'
import { settled } from '../../simulated/clock.ts'
import { temporaryFolders } from '../../cli/temporary-folder.ts'
import { RealVolume } from '../../fs/real-volume.ts'
import { sideUuid } from '../rows.ts'

const keptDefault: ChangesKept = { rowsMax: 1000, daysMax: 1000 }

/** Gives what makes one; all of them are closed after each test. */
export function subjects(): (changes?: ChangesKept) => Promise<Subject> {
  const folder = temporaryFolders()
  const opened: Subject[] = []
  afterEach(async () => {
    for (const subject of opened.splice(0)) await subject.close()
  })
  return async (changes = keptDefault) => {
    const subject = new Subject(await RealVolume.create({ seed: 1 }), join(folder(), 'catalog.db'), changes)
    opened.push(subject)
    return subject
  }
}

export class Subject {
  /** In every break of a pass. */
  onBreak: () => void = () => {}
  /** While a commit waits. */
  onWait: () => void = () => {}
  /** Blocks that read as something else. */
  readonly wrong = new Map<number, Uint8Array>()
  files: FileCatalog
  private file: CatalogFile
  private readonly pins: { release(): void }[] = []

  constructor(
    readonly volume: RealVolume,
    readonly path: string,
    changes: ChangesKept,
  ) {
    this.file = this.openFile()
    this.files = this.openFiles(changes)
  }

  /** As another process finds it, with other options. */
  reopen(changes: ChangesKept): void {
    this.file.close()
    this.file = this.openFile()
    this.files = this.openFiles(changes)
  }

  private openFile(): CatalogFile {
    return new CatalogFile(this.path, {
      clock: { monotonic: () => 0 },
      sideUuid,
      publishedCp: () => 1e9,
      makePrivate: () => {},
      setAside: () => {},
    })
  }

  private openFiles(changes: ChangesKept): FileCatalog {
    let ms = 0
    const { device } = this.volume as unknown as {
      device: { blockCount: number; readSync(address: number, target: Uint8Array): void }
    }
    return new FileCatalog(this.file, {
      clock: {
        monotonic: () => (ms += 10),
        yield: async () => {
          await settled()
          this.onBreak()
        },
        sleep: async () => {
          await settled()
          this.onWait()
        },
      },
      blocks: {
        get blockCount() {
          return device.blockCount
        },
        readSync: (address, target) => {
          device.readSync(address, target)
          const other = this.wrong.get(address)
          if (other) target.set(other)
        },
      },
      changes,
    })
  }

  put(path: string, bytes = 1) {
    return this.volume.files.putFile(parsePlainPath(path), new Uint8Array(bytes), {})
  }

  move(from: string, to: string) {
    return this.volume.files.move(parsePlainPath(from), parsePlainPath(to), { overwrite: true })
  }

  /** The root of everything that was done, kept until the end. */
  async cp(): Promise<ImageRoot> {
    const published: PublishedRoot = await this.volume.engine.requestCp('requested')
    this.pins.push(this.volume.engine.pin(published))
    return imageOf(published)
  }

  query(text: string): unknown[][] {
    const database = new Database(this.path, { readonly: true })
    try {
      return database.query(text).values()
    } finally {
      database.close()
    }
  }

  async close(): Promise<void> {
    this.file.close()
    for (const pin of this.pins) pin.release()
    await this.volume.close()
  }
}
