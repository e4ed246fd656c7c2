/**
 * Files of the newest image, at once: what most requests ask for. What was read lately is remembered by the path as it
 * stands in a URL, so that the usual read neither parses a path nor copies anything.
 *
 * - What is remembered was checked when it came in: the path by the parser, the bytes by their checksum.
 * - It is answered only while the image has not changed since the path was seen to lead to it; after a change the tree
 *   is looked at again, and only an entry that is byte for byte the one from before goes on being answered. So nothing
 *   here is ever older than the image, and nobody has to say what changed.
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
    /** Of the same image; null where none are remembered. */
    private readonly directories: KnownDirectories | null = null,
    bytesMax?: number,
  ) {
    this.known = new FileCache(bytesMax)
  }

  get cp(): number {
    return this.image.cp
  }

  /** What is remembered takes so much. */
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
