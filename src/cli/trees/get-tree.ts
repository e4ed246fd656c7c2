/**
 * Copies a tree of the server to a local tree: the content of `source` appears under `target`.
 *
 * - Every entry is of one CP, that of the first answer. The copy asks for that CP again and again, so that the CP
 *   stays readable however long one file takes.
 * - A name of the server is never trusted to be a local name: the copy makes nothing outside of a folder that this
 *   run made or found to be a folder.
 * - Folders get their mode and time last, the deepest first, because every entry that is made in a folder changes the
 *   folder.
 */
import type { Clock } from '../../lib/clock.ts'
import { formatUuid, newUuid, type Random } from '../../lib/random.ts'
import { type Client, pageEntries } from '../../../sdk/src/client.ts'
import { isClientError } from '../../../sdk/src/client-error.ts'
import type { ListedEntry, Listing } from '../../../sdk/src/contract.ts'
import type { PageOptions, Reading } from '../../../sdk/src/wishes.ts'
import { UserError } from '../../lib/user-error.ts'
import {
  createTemporary,
  ensureFolder,
  isAbsent,
  localStat,
  replaceWithLink,
  setFolderAttributes,
  wholeFileBytesMax,
  writeSmall,
} from './local-tree.ts'
import { requestsMax } from './put-tree.ts'
import type { Progress } from './progress.ts'
import { showPath } from '../command/server-path.ts'
import { Failures, type TreeReport } from './tree-report.ts'

/** A third of the time for which a CP stays readable after its last use. */
const renewMs = 10_000
const waitSeconds = 60
const attemptsMax = 3

/**
 * Small files come with the listing. With a request for each file, most of the time would go to the requests (20,000
 * files: 2.6 s of the server's CPU and 3.4 s of this process's).
 */
const pageOptions: PageOptions = { recursive: true, limit: pageEntries, content: 64 * 1024 }

export async function getTree(
  client: Client,
  { clock, random }: { readonly clock: Clock; readonly random: Random },
  source: readonly string[],
  target: string,
  reading: Reading,
  progress: Progress,
): Promise<TreeReport> {
  const failures = new Failures()
  const done = { files: 0, directories: 0, links: 0, bytes: 0 }
  const folders = new Map<string, { local: string; mode: number; modified: string }>()
  const temporaryName = temporaryNames(random)
  let cp = 0
  let stopRenewing = (): void => {}

  const getEntry = async (entry: ListedEntry, names: readonly string[]): Promise<void> => {
    const within = names.length === 1 ? target : folders.get(names.slice(0, -1).join('/'))?.local
    if (within === undefined) throw new UserError('its directory was not made')
    // The names are checked, so the path needs no resolving.
    const local = `${within}/${names.at(-1)!}`
    const mode = Number.parseInt(entry.mode, 8)
    const { modified } = entry
    switch (entry.kind) {
      case 'directory':
        ensureFolder(local)
        folders.set(names.join('/'), { local, mode, modified })
        done.directories++
        break
      case 'link': {
        await refuseFolder(local)
        await replaceWithLink(entry.target ?? '', `${within}/${temporaryName()}`, local, modified)
        done.links++
        break
      }
      case 'file': {
        if (entry.size <= wholeFileBytesMax) {
          const bytes =
            entry.content === undefined
              ? await receiveWhole(client, [...source, ...names], { cp }, entry)
              : listedContent(entry.content, entry.size)
          // A rename onto a folder fails, so the copy replaces no folder.
          writeSmall(`${within}/${temporaryName()}`, local, bytes, { mode, modified })
          done.files++
          done.bytes += entry.size
          break
        }
        await refuseFolder(local)
        const file = await createTemporary(within, temporaryName(), local)
        try {
          await receive(client, [...source, ...names], { cp }, entry, (chunk) => file.write(chunk))
          await file.finish({ mode, modified })
        } finally {
          await file.discard()
        }
        done.files++
        done.bytes += entry.size
        break
      }
    }
    progress.count(entry.kind === 'file' ? entry.size : 0)
  }

  try {
    const { page, ...image } = await firstPage(client, source, reading)
    cp = image.cp
    const entries = client.entriesFrom(showPath(source), page, pageOptions)
    stopRenewing = keepReadable(client, clock, source, cp)
    const running = new Set<Promise<void>>()
    let fatal: unknown = null
    const isNew = ensureFolder(target)
    for await (const entry of entries) {
      if (fatal !== null) break
      const names = checkedNames(entry.path)
      const work = failures
        .gather(showPath([...source, ...names]), () => getEntry(entry, names))
        .catch((error: unknown) => {
          fatal ??= error
        })
        .finally(() => running.delete(work))
      // A directory comes before its content, so no entry may overtake a directory. A content that came with the
      // listing needs no request.
      if (entry.kind === 'directory' || entry.content !== undefined) await work
      else running.add(work)
      while (running.size >= requestsMax) await Promise.race(running)
    }
    await Promise.all(running)
    if (fatal !== null) throw fatal as Error
    for (const [path, { local, mode, modified }] of [...folders].toReversed())
      await failures.gather(path, async () => setFolderAttributes(local, mode, modified))
    // A folder that was there keeps its mode and time, as the server's root does when a tree is put into the root.
    if (isNew && source.length > 0) {
      const { mode, modified } = await client.stat(showPath(source), { cp })
      setFolderAttributes(target, Number.parseInt(mode, 8), modified)
    }
    return { cp, ...done, failures: failures.list, failuresTotal: failures.total }
  } finally {
    stopRenewing()
  }
}

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

async function receiveWhole(
  client: Client,
  path: readonly string[],
  reading: Reading,
  entry: ListedEntry,
): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  await receive(client, path, reading, entry, async (chunk) => void chunks.push(chunk))
  return Buffer.concat(chunks)
}

function listedContent(content: string, size: number): Uint8Array {
  let bytes: Uint8Array
  try {
    bytes = Uint8Array.fromBase64(content, { lastChunkHandling: 'strict' })
  } catch (error) {
    throw new UserError('the listed content is no base64', { cause: error })
  }
  if (bytes.length !== size) throw new UserError(`got ${bytes.length} bytes instead of ${size}`)
  return bytes
}

interface Received {
  readonly bytes: number
  readonly cp: number
  readonly etag: string
  readonly headers: Headers
}

/**
 * Receives the whole content or throws: an answer that ends early is not a file, and neither is an answer with
 * another size or entity tag than the caller knows.
 */
export async function receive(
  client: Client,
  path: readonly string[],
  reading: Reading,
  known: { readonly size?: number; readonly etag?: string },
  take: (chunk: Uint8Array) => Promise<void>,
): Promise<Received> {
  const content = await client.get(showPath(path), reading)
  const { cp, etag, headers } = content
  if (known.etag !== undefined && etag !== known.etag) {
    content.cancel()
    throw new UserError('the server answered with another file than it listed')
  }
  const { size } = known
  let bytes = 0
  for await (const piece of content) {
    bytes += piece.length
    if (size !== undefined && bytes > size) throw new UserError(`got more than ${size} bytes`)
    await take(piece)
  }
  if (size !== undefined && bytes !== size) throw new UserError(`got ${bytes} bytes instead of ${size}`)
  return { bytes, cp, etag, headers }
}

function checkedNames(path: string): string[] {
  const names = path.split('/')
  for (const name of names)
    if (name === '' || name === '.' || name === '..' || name.includes('\0'))
      throw new UserError(`the server listed a name that cannot be: ${JSON.stringify(path)}`)
  return names
}

/** Throws where a folder is in the way: a rename replaces a file or a link, but cannot replace a folder. */
async function refuseFolder(local: string): Promise<void> {
  try {
    const { kind } = await localStat(local, { follow: false })
    if (kind === 'directory') throw new UserError(`${local}: is a directory here`)
  } catch (error) {
    if (!isAbsent(error)) throw error
  }
}

/** Makes names that no other file has, in this run or in another. */
export function temporaryNames(random: Random): () => string {
  const run = formatUuid(newUuid(random))
  let count = 0
  return () => `.stillpoint-${run}-${count++}.part`
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
