/**
 * Files that were read lately, by the paths that they were asked for, small ones with their content: larger contents cost
 * less to read again, into memory that is warm, than to keep. Whether what is here may still be answered is for
 * `instant-files.ts` to say.
 *
 * Bounded by `bytesMax`: what nobody has asked for since it was last passed over leaves first.
 */
import type { NewestView } from '../../cp-engine/contract.ts'
import type { EntryItem } from '../../format/items/items.ts'
import type { BlockPointer } from '../../format/pointer.ts'
import { Oldest } from '../../lib/oldest.ts'
import type { Stat } from '../contract.ts'
import type { Path } from '../paths.ts'
import { FoundFile } from './ready-file.ts'

const smallFilesBytesMaxDefault = 32 * 2 ** 20
/** Contents that are remembered. */
export const rememberedBytesMax = 16 * 1024
/**
 * What an entry costs beside its content, in many small objects, with the headers that an answer keeps beside it
 * (measured: 1.8 KiB, 8.6 KiB with 40 values of metadata; the decoded entry about 0.4 more).
 */
const entryBytes = 2432
const bytesPerValueByte = 2
const bytesPerPathCharacter = 4
const metaBytes = 192

/** All in one object: every step to another one is memory that was touched long ago. */
export class KnownFile extends FoundFile {
  /** What it costs here. */
  cost: number
  wasAsked = false
  /** All of it. */
  bytes: Uint8Array | null = null

  constructor(
    readonly urlPath: string,
    readonly path: Path,
    /** Of the image, when the path was last seen to lead here. */
    public changes: number,
    /** Of the entry. */
    readonly value: Uint8Array,
    image: NewestView,
    found: { readonly item: EntryItem; readonly stat: Stat },
    private readonly files: FileCache,
  ) {
    super(image, image.sums, found)
    const metas = Object.keys(found.stat.meta).length
    this.cost =
      entryBytes +
      bytesPerValueByte * value.length +
      bytesPerPathCharacter * urlPath.length +
      metaBytes * metas
  }

  override read(start: number, end: number): Uint8Array | null {
    const { bytes } = this
    return bytes !== null && start === 0 && end >= bytes.length ? bytes : super.read(start, end)
  }

  protected override content(pointer: BlockPointer): Uint8Array | null {
    if (this.bytes) return this.bytes
    if (this.stat.size > rememberedBytesMax) return super.content(pointer)
    const bytes = this.image.recordNow(pointer)
    if (bytes?.length === this.stat.size) this.files.remember(this, bytes)
    return bytes
  }
}

export class FileCache {
  /** In the order in which they leave. */
  private readonly kept = new Map<string, KnownFile>()
  private readonly oldest = new Oldest(this.kept)
  private heldBytes = 0

  constructor(private readonly bytesMax = smallFilesBytesMaxDefault) {}

  get bytes(): number {
    return this.heldBytes
  }

  find(urlPath: string): KnownFile | null {
    const known = this.kept.get(urlPath)
    if (!known) return null
    known.wasAsked = true
    return known
  }

  /** Instead of what was there. */
  add(file: KnownFile): void {
    this.forget(file.urlPath)
    this.keep(file)
    this.trim()
  }

  forget(urlPath: string): void {
    const known = this.kept.get(urlPath)
    if (known) this.leave(known)
  }

  /** The content of a file that is here, unless it has left meanwhile. */
  remember(file: KnownFile, bytes: Uint8Array): void {
    if (this.kept.get(file.urlPath) !== file) return
    // A part of a larger buffer would keep all of it.
    file.bytes = bytes.buffer.byteLength > bytes.length ? bytes.slice() : bytes
    file.cost += bytes.length
    this.heldBytes += bytes.length
    this.trim()
  }

  private trim(): void {
    while (this.heldBytes > this.bytesMax && this.kept.size > 0) {
      const known = this.kept.get(this.oldest.next())!
      this.leave(known)
      if (!known.wasAsked) continue
      known.wasAsked = false
      this.keep(known)
    }
  }

  private keep(file: KnownFile): void {
    this.kept.set(file.urlPath, file)
    this.heldBytes += file.cost
  }

  private leave(file: KnownFile): void {
    this.kept.delete(file.urlPath)
    this.heldBytes -= file.cost
  }
}
