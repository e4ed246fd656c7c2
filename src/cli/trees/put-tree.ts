/**
 * Copies a local tree to the server: the content of `source` appears under `target`.
 *
 * - A directory is made before its content, with its mode and time; links stay links.
 * - Every entry is sent `buffered`, and one consistency point at the end carries them all: when the report has no
 *   failure, the whole tree is in that published CP. A server that was started anew in between may have lost entries;
 *   those are sent again.
 * - An entry that fails is listed, and the copy goes on. The copy ends when the failure concerns every further entry,
 *   for example when the server cannot be reached any more.
 */
import { readdir, readlink } from 'node:fs/promises'
import { join } from 'node:path'
import type { Client } from '../../../sdk/src/client.ts'
import type { Opened } from '../../../sdk/src/contract.ts'
import { Unsettled } from '../../../sdk/src/unsettled.ts'
import { UserError } from '../../lib/user-error.ts'
import { contentTypeOf, localBody, localError, localStat, readSmall } from './local-tree.ts'
import { runPool, type Task } from './pool.ts'
import type { Progress } from './progress.ts'
import { showPath } from '../command/server-path.ts'
import { type SmallFile, SmallFiles, smallFileBytesMax } from './small-files.ts'
import { Failures, type TreeReport } from './tree-report.ts'

export const requestsMax = 64
/** Entries that no consistency point is known to have; each is remembered by its names. */
const unsettledMaxDefault = 20_000
/** A server that was started anew so often while entries were sent again does not stay up. */
const roundsMax = 10

export async function putTree(
  client: Client,
  source: string,
  target: readonly string[],
  progress: Progress,
  unsettledMax = unsettledMaxDefault,
): Promise<TreeReport> {
  const failures = new Failures()
  const done = { files: 0, directories: 0, links: 0, bytes: 0 }
  const buffered = { durability: 'buffered' } as const

  /** The newest CP that an answer has promised to contain a write. */
  let promisedCp = 0
  const unsettled = new Unsettled<Task>(client)
  const promised = ({ cp, opening }: Opened<{ readonly cp: number }>, again: Task): void => {
    promisedCp = Math.max(promisedCp, cp)
    unsettled.note(opening, again)
  }
  const stored = (bytes: number) => {
    done.files++
    done.bytes += bytes
    progress.count(bytes)
  }
  const small = new SmallFiles(
    client,
    buffered,
    ({ bytes, again, isAgain }, answer) => {
      promised(answer, again)
      if (!isAgain) stored(bytes.length)
    },
    ({ path, bytes, attributes, again, isAgain }: SmallFile) =>
      failures.gather(showPath(path), async () => {
        promised(await client.put(showPath(path), bytes, { ...attributes, ...buffered }), again)
        if (!isAgain) stored(bytes.length)
      }),
  )
  /** With `isAgain` the entry alone is sent, which the server may have lost; an entry counts once. */
  const putEntry =
    (local: string, remote: readonly string[], isAgain = false): Task =>
    (add) =>
      failures.gather(showPath(remote), async () => {
        if (unsettled.size >= unsettledMax) for (const lost of (await unsettled.settle()).lost) add(lost)
        const again = putEntry(local, remote, true)
        const stat = await localStat(local, { follow: local === source })
        const { mode, modified } = stat
        switch (stat.kind) {
          case 'directory': {
            // The root of the server is always there, and keeps its own attributes.
            if (remote.length > 0)
              promised(await client.makeDirectory(showPath(remote), { mode, modified, ...buffered }), again)
            if (isAgain) return
            for (const name of await namesIn(local)) add(putEntry(join(local, name), [...remote, name]))
            done.directories++
            break
          }
          case 'link': {
            const linkTarget = await readlink(local).catch((error: unknown) => {
              throw localError(local, error)
            })
            promised(
              await client.putLink(showPath(remote), linkTarget, { mode, modified, ...buffered }),
              again,
            )
            if (isAgain) return
            done.links++
            break
          }
          case 'file': {
            const contentType = contentTypeOf(local)
            const attributes = { mode, modified, ...(contentType === undefined ? {} : { contentType }) }
            if (stat.size <= smallFileBytesMax) {
              await small.add({ path: remote, bytes: await readSmall(local), attributes, again, isAgain })
            } else {
              promised(
                await client.put(showPath(remote), await localBody(local, stat.size), {
                  ...attributes,
                  ...buffered,
                }),
                again,
              )
              if (!isAgain) stored(stat.size)
            }
            return
          }
          case 'other':
            throw new UserError('is neither a file, nor a directory, nor a symbolic link')
        }
        progress.count(0)
      })

  const takenCp = await sendAll()
  if (takenCp < promisedCp)
    throw new UserError(
      `the server took consistency point ${takenCp} and not ${promisedCp}, which has the tree`,
    )
  return { cp: takenCp, ...done, failures: failures.list, failuresTotal: failures.total }

  async function sendAll(): Promise<number> {
    let tasks = [putEntry(source, target)]
    for (let round = 0; round < roundsMax; round++) {
      await runPool((add) => Promise.resolve(tasks.forEach(add)), requestsMax)
      await small.end()
      const { cp, lost } = await unsettled.settle()
      if (cp !== null && lost.length === 0) return cp.cp
      tasks = lost
    }
    throw new UserError(`the server was started anew ${roundsMax} times: not all of the tree is there`)
  }
}

async function namesIn(folder: string): Promise<string[]> {
  return readdir(folder).catch((error: unknown) => {
    throw localError(folder, error)
  })
}
