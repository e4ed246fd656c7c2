/**
 * Cache of files that were read lately, by the paths of the requests. Small files are kept with their content; to
 * read larger contents again, into warm memory, costs less than to keep them. `instant-files.ts` decides whether a
 * cached file may still be answered.
 *
 * The cache takes at most `bytesMax`. A file that no request has asked for since the cache last passed over that file
 * leaves first.
 */
import type { NewestView } from '../../cp-engine/contract.ts'
import type { EntryItem } from '../../format/items/items.ts'
import type { BlockPointer } from '../../format/pointer.ts'
import { Oldest } from '../../lib/oldest.ts'
import type { Stat } from '../contract.ts'
import type { Path } from '../paths.ts'
import { FoundFile } from './ready-file.ts'

const smallFilesBytesMaxDefault = 32 * 2 ** 20
/** Contents up to this size are remembered. */
export const rememberedBytesMax = 16 * 1024
/**
 * Cost of an entry beside its content, in many small objects, with the headers that an answer keeps beside the entry
 * (measured: 1.8 KiB, 8.6 KiB with 40 values of metadata; the decoded entry takes about 0.4 KiB more).
 */
const entryBytes = 2432
const bytesPerValueByte = 2
const bytesPerPathCharacter = 4
const metaBytes = 192

/** One object holds all facts of a file: every step to another object touches cold memory. */
export class KnownFile extends FoundFile {
  /** Bytes that this file costs the cache. */
  cost: number
  wasAsked = false
  /** All content, once it is remembered. */
  bytes: Uint8Array | null = null

  constructor(
    readonly urlPath: string,
    readonly path: Path,
    /** Change number of the image when the path last led to this file. */
    public changes: number,
    /** Stored value of the entry. */
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
  /** Files in the order in which they leave. */
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

  /** Replaces a file that was there under the same path. */
  add(file: KnownFile): void {
    this.forget(file.urlPath)
    this.keep(file)
    this.trim()
  }

  forget(urlPath: string): void {
    const known = this.kept.get(urlPath)
    if (known) this.leave(known)
  }

  /** Keeps the content of a file, unless the file has left the cache meanwhile. */
  remember(file: KnownFile, bytes: Uint8Array): void {
    if (this.kept.get(file.urlPath) !== file) return
    // A part of a larger buffer would keep all of the buffer in memory.
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
