/**
 * Copies a local tree to the server: the content of `source` appears under `target`.
 *
 * - A directory is made before its content, with its mode and time; links stay links.
 * - Every entry is sent `buffered`, and one consistency point at the end carries them all: when the report has no
 *   failure, the whole tree is in that published CP.
 * - An entry that fails is listed, and the copy goes on. The copy ends when the failure concerns every further entry,
 *   for example when the server cannot be reached any more.
 * - Names and targets are bytes here and text there: what is no text is refused, and nothing is sent under another name.
 */
import { readlinkSync } from 'node:fs'
import type { Client } from '../../../sdk/src/client.ts'
import type { SentAttributes } from '../../../sdk/src/wishes.ts'
import { UserError } from '../../lib/user-error.ts'
import { showPath } from '../command/server-path.ts'
import { escapedBytes, textOfBytes } from './entry-names.ts'
import { named } from './local-errors.ts'
import { LocalFile } from './local-file.ts'
import { LocalFolder } from './local-folder.ts'
import { contentTypeOf, type LocalStat, localStat, statOf } from './local-stat.ts'
import { isSayable } from './local-time.ts'
import type { Patience } from './patience.ts'
import { runPool, type Task } from './pool.ts'
import type { Progress } from './progress.ts'
import { type SmallFile, SmallFiles, smallFileBytesMax } from './small-files.ts'
import { Failures, type TreeReport } from './tree-report.ts'

export const requestsMax = 64

export interface PutTools {
  readonly client: Client
  readonly patience: Patience
  readonly progress: Progress
}

export async function putTree(
  { client, patience, progress }: PutTools,
  source: string,
  target: readonly string[],
): Promise<TreeReport> {
  const failures = new Failures()
  const done = { files: 0, directories: 0, links: 0, bytes: 0 }
  const buffered = { durability: 'buffered' } as const

  /** The newest CP that an answer has promised to contain a write. */
  let promisedCp = 0
  /** Every write of a copy may happen twice. */
  const send = async (work: () => Promise<{ readonly cp: number }>): Promise<void> => {
    const { cp } = await patience.of(work)
    promisedCp = Math.max(promisedCp, cp)
  }
  const stored = (bytes: number) => {
    done.files++
    done.bytes += bytes
    progress.count(bytes)
  }
  const small = new SmallFiles(
    (steps) => patience.of(() => client.batch(steps, buffered)),
    ({ bytes }, cp) => {
      promisedCp = Math.max(promisedCp, cp)
      stored(bytes.length)
    },
    ({ path, bytes, attributes }: SmallFile) =>
      failures.gather(showPath(path), async () => {
        await send(() => client.put(showPath(path), bytes, { ...attributes, ...buffered }))
        stored(bytes.length)
      }),
  )

  const putFolder = async (folder: LocalFolder, remote: readonly string[], add: Add): Promise<void> => {
    const stat = statOf(folder.stat())
    // The root of the server is always there, and keeps its own attributes.
    if (remote.length > 0)
      await send(() => client.makeDirectory(showPath(remote), { ...attributesOf(stat), ...buffered }))
    done.directories++
    progress.count(0)
    for (const bytes of await folder.names()) {
      const name = textOfBytes(bytes)
      if (name !== null) add(putEntry(folder.hold(), name, [...remote, name]))
      else failures.note(showPath([...remote, escapedBytes(bytes)]), 'the name is no UTF-8')
    }
    if (remote.length > 0) noteTime(remote, stat)
  }
  const putLink = async (folder: LocalFolder, name: string, remote: readonly string[], stat: LocalStat) => {
    const bytes = named(folder.pathOf(name), () => readlinkSync(folder.at(name), { encoding: 'buffer' }))
    const linkTarget = textOfBytes(bytes)
    if (linkTarget === null)
      throw new UserError(`the target of the link is no UTF-8: ${escapedBytes(bytes).slice(0, 300)}`)
    await send(() => client.putLink(showPath(remote), linkTarget, { ...attributesOf(stat), ...buffered }))
    done.links++
    progress.count(0)
  }
  const putFile = async (file: LocalFile, name: string, remote: readonly string[]): Promise<void> => {
    const contentType = contentTypeOf(name)
    const attributes = () => ({
      ...attributesOf(file.stat),
      ...(contentType === undefined ? {} : { contentType }),
    })
    if (file.stat.size <= smallFileBytesMax) {
      const bytes = file.whole()
      await small.add({ path: remote, bytes, attributes: attributes() })
    } else {
      const { size } = file.stat
      await send(() => client.put(showPath(remote), file.stream(), { ...attributes(), ...buffered }))
      stored(size)
    }
    noteTime(remote, file.stat)
  }
  /** A time that the server cannot say is stored as the nearest one, which is not the same. */
  const noteTime = (remote: readonly string[], { modifiedNanos }: LocalStat): void => {
    if (!isSayable(modifiedNanos))
      failures.note(showPath(remote), 'is stored with another time: its own is beyond the years 0 to 9999')
  }
  const putOne = async (folder: LocalFolder, name: string, remote: readonly string[], add: Add) => {
    const path = folder.pathOf(name)
    const stat = localStat(folder.at(name), { follow: false }, path)
    switch (stat.kind) {
      case 'directory': {
        const below = LocalFolder.open(folder.at(name), path, { follow: false })
        await putFolder(below, remote, add).finally(() => below.release())
        break
      }
      case 'link':
        await putLink(folder, name, remote, stat)
        noteTime(remote, stat)
        break
      case 'file': {
        const file = LocalFile.open(folder.at(name), path, { follow: false })
        await putFile(file, name, remote).finally(() => file.close())
        break
      }
      case 'other':
        throw new UserError('is neither a file, nor a directory, nor a symbolic link')
    }
  }
  const putEntry =
    (folder: LocalFolder, name: string, remote: readonly string[]): Task =>
    (add) =>
      failures.gather(showPath(remote), () =>
        putOne(folder, name, remote, add).finally(() => folder.release()),
      )

  const root = LocalFolder.open(source, source, { follow: true })
  await runPool(
    (add) =>
      failures.gather(showPath(target), () => putFolder(root, target, add).finally(() => root.release())),
    requestsMax,
  )
  await small.end()
  const { cp } = await patience.of(() => client.administration.takeCp())
  if (cp < promisedCp)
    throw new UserError(`the server took consistency point ${cp} and not ${promisedCp}, which has the tree`)
  return { cp, ...done, failures: failures.list, failuresTotal: failures.total }
}

type Add = (task: Task) => void

const attributesOf = ({ mode, modified }: LocalStat): SentAttributes => ({ mode, modified })
