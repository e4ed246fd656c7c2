/**
 * The folders of a copy that are being filled. A listing gives a directory before its content and comes back to no
 * directory, so the folders that are open are those on the way to the last entry, and those whose files are still on
 * their way. However many directories a server lists, no more than these are remembered.
 */
import type { TargetFolder } from './target-folder.ts'

interface OpenFolder {
  readonly path: string
  readonly folder: TargetFolder
  readonly parent: OpenFolder | null
  /** Entries and folders below that are not done. */
  pending: number
  isListed: boolean
}

export class OpenFolders {
  private readonly way: OpenFolder[]
  private readonly open = new Set<OpenFolder>()

  constructor(
    root: TargetFolder,
    /** Gives a folder its attributes, and reports the failure itself. */
    private readonly finish: (path: string, folder: TargetFolder) => void,
  ) {
    const first = { path: '', folder: root, parent: null, pending: 0, isListed: false }
    this.way = [first]
    this.open.add(first)
  }

  /** The folder for an entry, of the path of its directory; null where that directory is not on the way. */
  enter(directory: string): OpenFolder | null {
    while (this.way.length > 1 && !isWithin(directory, this.way.at(-1)!.path)) this.leave()
    const last = this.way.at(-1)!
    return last.path === directory ? last : null
  }

  push(path: string, folder: TargetFolder, parent: OpenFolder): void {
    const opened = { path, folder, parent, pending: 0, isListed: false }
    parent.pending++
    this.way.push(opened)
    this.open.add(opened)
  }

  begin(within: OpenFolder): void {
    within.pending++
  }

  end(within: OpenFolder): void {
    within.pending--
    this.finishIfDone(within)
  }

  /** The listing is over, and every entry is done. */
  leaveAll(): void {
    while (this.way.length > 1) this.leave()
  }

  /** Every entry is done, and every folder below the root is closed. */
  close(): void {
    const root = this.way[0]!
    this.open.delete(root)
    root.folder.close()
  }

  /** Closes what a failure has left open. */
  abandon(): void {
    for (const { folder } of this.open) folder.abandon()
    this.open.clear()
  }

  private leave(): void {
    const left = this.way.pop()!
    left.isListed = true
    this.finishIfDone(left)
  }

  private finishIfDone(opened: OpenFolder): void {
    const { path, folder, parent, pending, isListed } = opened
    if (!isListed || pending > 0 || parent === null || !this.open.delete(opened)) return
    this.finish(path, folder)
    folder.close()
    this.end(parent)
  }
}

const isWithin = (directory: string, path: string): boolean =>
  directory === path || directory.startsWith(`${path}/`)
