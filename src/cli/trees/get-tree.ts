/**
 * Copies a tree of the server to a local tree: the content of `source` appears under `target`.
 *
 * - Every entry is of one CP, that of the first answer. The copy asks for that CP again and again, so that the CP
 *   stays readable however long one file takes.
 * - A name of the server is never trusted to be a local name: the copy makes nothing outside of a folder that this
 *   run made or found to be a folder.
 * - Folders get their time and mode when all below them is there (`target-folder.ts`).
 */
import type { Clock } from '../../lib/clock.ts'
import { type Client, pageEntries } from '../../../sdk/src/client.ts'
import { isClientError } from '../../../sdk/src/client-error.ts'
import type { ListedEntry, Listing } from '../../../sdk/src/contract.ts'
import type { PageOptions, Reading } from '../../../sdk/src/wishes.ts'
import { UserError } from '../../lib/user-error.ts'
import { showPath } from '../command/server-path.ts'
import { checkedNames } from './entry-names.ts'
import { OpenFolders } from './open-folders.ts'
import type { Patience } from './patience.ts'
import type { Progress } from './progress.ts'
import { requestsMax } from './put-tree.ts'
import { listedContent, receive } from './received-content.ts'
import { type FolderAttributes, TargetFolder } from './target-folder.ts'
import type { TemporaryFiles } from './temporary-files.ts'
import { Failures, type TreeReport } from './tree-report.ts'
import { WrittenFile, writeLink, writeWhole } from './written-file.ts'

/** A third of the time for which a CP stays readable after its last use. */
const renewMs = 10_000
const waitSeconds = 60
const attemptsMax = 3

/**
 * Small files come with the listing. With a request for each file, most of the time would go to the requests (20,000
 * files: 2.6 s of the server's CPU and 3.4 s of this process's).
 */
const pageOptions: PageOptions = { recursive: true, limit: pageEntries, content: 64 * 1024 }

interface GetTools {
  /** Asks once, for the first requests: the address may be wrong. */
  readonly client: Client
  readonly patience: Patience
  /** Waits for a server that is away. */
  readonly patient: Client
  readonly progress: Progress
  readonly clock: Clock
  readonly temporaries: TemporaryFiles
}

export async function getTree(
  { client, patience, patient, progress, clock, temporaries }: GetTools,
  source: readonly string[],
  target: string,
  reading: Reading,
): Promise<TreeReport> {
  const failures = new Failures()
  const done = { files: 0, directories: 0, links: 0, bytes: 0 }
  const { page, cp } = await patience.of(() => firstPage(client, source, reading))
  const root = await TargetFolder.openRoot(target, temporaries)
  const folders = new OpenFolders(root, (path, folder) =>
    failures.gatherNow(showPath([...source, path]), () => folder.finish()),
  )

  const getFile = async (
    entry: ListedEntry,
    path: readonly string[],
    folder: TargetFolder,
  ): Promise<void> => {
    const place = folder.placeFor(path.at(-1)!)
    const attributes = attributesOf(entry)
    if (entry.content !== undefined)
      writeWhole(place, temporaries, listedContent(entry.content, entry.size), attributes)
    else {
      const file = WrittenFile.create(place, temporaries)
      try {
        await receive(patient, path, { cp }, entry, (chunk) => file.write(chunk))
        file.finish(attributes)
      } finally {
        file.discard()
      }
    }
    done.files++
    done.bytes += entry.size
  }
  const getEntry = async (entry: ListedEntry, names: readonly string[]): Promise<void> => {
    const name = names.at(-1)!
    const within = folders.enter(names.slice(0, -1).join('/'))
    if (within === null) throw new UserError('its directory was not made')
    switch (entry.kind) {
      case 'directory':
        folders.push(names.join('/'), await within.folder.openBelow(name, attributesOf(entry)), within)
        done.directories++
        break
      case 'link':
        writeLink(within.folder.placeFor(name), temporaries, entry.target ?? '', entry.modified)
        done.links++
        break
      case 'file':
        folders.begin(within)
        await getFile(entry, [...source, ...names], within.folder).finally(() => folders.end(within))
        break
      default:
        // A newer server may have kinds that this version knows nothing of.
        entry.kind satisfies never
        throw new UserError(`is of a kind that this version does not know: ${String(entry.kind)}`)
    }
    progress.count(entry.kind === 'file' ? entry.size : 0)
  }

  const stopRenewing = keepReadable(patient, clock, source, cp)
  const running = new Set<Promise<void>>()
  let fatal: unknown = null
  try {
    for await (const entry of patient.entriesFrom(showPath(source), page, pageOptions)) {
      if (fatal !== null) break
      // A server that lists what cannot be is no server to go on with.
      const names = checkedNames(entry.path)
      const work = failures
        .gather(showPath([...source, ...names]), () => getEntry(entry, names))
        .catch((error: unknown) => {
          fatal ??= error
        })
        .finally(() => running.delete(work))
      // A directory comes before its content, so no entry may overtake a directory. A content that came with the
      // listing needs no request.
      if (entry.kind !== 'file' || entry.content !== undefined) await work
      else running.add(work)
      while (running.size >= requestsMax) await Promise.race(running)
    }
    await Promise.all(running)
    if (fatal !== null) throw fatal as Error
    folders.leaveAll()
    // A folder that was there keeps its mode and time, as the server's root does when a tree is put into the root.
    const isNew = root.isNew && source.length > 0
    const wanted = isNew ? attributesOf(await patient.stat(showPath(source), { cp })) : undefined
    failures.gatherNow(showPath(source), () => {
      root.finish(wanted)
      folders.close()
    })
    return { cp, ...done, failures: failures.list, failuresTotal: failures.total }
  } finally {
    stopRenewing()
    await Promise.all(running)
    folders.abandon()
  }
}

const attributesOf = ({ mode, modified }: Pick<ListedEntry, 'mode' | 'modified'>): FolderAttributes => ({
  mode: Number.parseInt(mode, 8),
  modified,
})

/**
 * The CP of the first answer may be yet to come (a primary shows the newest writes at once); the listing waits for
 * that CP. When the CP has come and gone meanwhile, the copy takes a newer CP.
 */
async function firstPage(
  client: Client,
  source: readonly string[],
  reading: Reading,
): Promise<{ cp: number; page: Listing }> {
  for (let attempt = 1; ; attempt++) {
    const { kind, cp } = await client.stat(showPath(source), reading)
    if (kind !== 'directory') throw new UserError(`${showPath(source)}: is not a directory (leave out -r)`)
    try {
      return {
        cp,
        page: await client.page(showPath(source), { cp, wait: waitSeconds, ...pageOptions }),
      }
    } catch (error) {
      if (!isClientError(error, 'cp-gone') || attempt === attemptsMax) throw error
    }
  }
}

function keepReadable(client: Client, clock: Clock, path: readonly string[], cp: number): () => void {
  let cancel = (): void => {}
  let ended = false
  const renew = (): void => {
    if (ended) return
    cancel = clock.after(renewMs, () => {
      // A failure is ignored here, because the next read reports the trouble better.
      void client.stat(showPath(path), { cp }).then(renew, renew)
    })
  }
  renew()
  return () => {
    ended = true
    cancel()
  }
}
