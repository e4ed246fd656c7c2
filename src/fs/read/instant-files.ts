/**
 * Reads files of the newest image at once, as most requests ask for. Files that were read lately are remembered by
 * their paths as they stand in URLs, so that the usual read neither parses a path nor copies bytes.
 *
 * - A remembered file was checked when it came in: the path by the parser, the bytes by their checksum.
 * - A remembered file is answered while the image has not changed since the path last led to that file. After a
 *   change the tree is looked at again, and the remembered file stays only if the entry is the same byte for byte. So
 *   no answer is older than the image, and writers need not report their changes.
 */
import type { NewestView } from '../../cp-engine/contract.ts'
import { equalBytes, ownText } from '../../lib/bytes.ts'
import type { NewestSource, ReadyFile } from '../contract.ts'
import type { KnownDirectories } from '../tree/known-directories.ts'
import { parseUrlPath } from '../paths.ts'
import { fileOf, valueNow } from './ready-file.ts'
import { KnownFile, FileCache } from './file-cache.ts'

export class NewestFiles implements NewestSource {
  private readonly known: FileCache

  constructor(
    private readonly image: NewestView,
    /** Known directories of the same image; null where none are remembered. */
    private readonly directories: KnownDirectories | null = null,
    bytesMax?: number,
  ) {
    this.known = new FileCache(bytesMax)
  }

  get cp(): number {
    return this.image.cp
  }

  /** Bytes that the remembered files take. */
  get bytes(): number {
    return this.known.bytes
  }

  open(urlPath: string): ReadyFile | null {
    const known = this.known.find(urlPath)
    return known?.changes === this.image.changes ? known : this.look(known, urlPath)
  }

  private look(known: KnownFile | null, asked: string): ReadyFile | null {
    const { image, directories } = this
    const { changes, sums } = image
    const urlPath = known?.urlPath ?? ownText(asked)
    const path = known?.path ?? parseUrlPath(urlPath)
    const value = valueNow(image, sums, path, directories)
    if (!value) return null
    if (known && equalBytes(known.value, value)) {
      known.changes = changes
      return known
    }
    if (known) this.known.forget(urlPath)
    const found = fileOf(value, sums, path)
    if (!found) return null
    const file = new KnownFile(urlPath, path, changes, value, image, found, this.known)
    this.known.add(file)
    return file
  }
}
