/**
 * Copies a local tree to the server: the content of `source` appears under `target`.
 *
 * - A directory is made before its content, with its mode and time; links stay links.
 * - Every entry is sent `buffered`, and one consistency point at the end carries them all: when the report has no
 *   failure, the whole tree is in that published CP. A server that was started anew in between may have lost entries;
 *   those are sent again.
 * - An entry that fails is listed, and the copy goes on. The copy ends when the failure concerns every further entry,
 *   for example when the server does not come back.
 * - Names and targets are bytes here and text there: what is no text is refused, and nothing is sent under another name.
 */
import { readlinkSync } from 'node:fs'
import type { Client } from '../../../sdk/src/client.ts'
import type { Opened } from '../../../sdk/src/contract.ts'
import { Unsettled } from '../../../sdk/src/unsettled.ts'
import { UserError } from '../../lib/user-error.ts'
import { showPath } from '../command/server-path.ts'
import { escapedBytes, textOfBytes } from './entry-names.ts'
import { named } from './local-errors.ts'
import { LocalFile } from './local-file.ts'
import { LocalFolder } from './local-folder.ts'
import { contentTypeOf, type LocalStat, localStat, localStatOf } from './local-stat.ts'
import { isSayable } from './local-time.ts'
import type { Patience } from './patience.ts'
import { runPool, type Task } from './pool.ts'
import type { Progress } from './progress.ts'
import { type SmallFile, SmallFiles, smallFileBytesMax } from './small-files.ts'
import { Failures, type TreeReport } from './tree-report.ts'

export const requestsMax = 64
/** Entries that no consistency point is known to have; each is remembered by its names. */
const unsettledMaxDefault = 20_000
/** A server that was started anew so often while entries were sent again does not stay up. */
const roundsMax = 10

interface PutTools {
  readonly client: Client
  readonly patience: Patience
  readonly progress: Progress
  readonly unsettledMax?: number
}

/** One entry on its way. */
interface Sent {
  /** The folder that has the entry. */
  readonly within: LocalFolder
  readonly name: string
  /** Names on the server. */
  readonly remote: readonly string[]
  /** The entry alone is sent, which the server may have lost; an entry counts once. */
  readonly isAgain: boolean
}

export async function putTree(
  { client, patience, progress, unsettledMax = unsettledMaxDefault }: PutTools,
  source: string,
  target: readonly string[],
): Promise<TreeReport> {
  const root = LocalFolder.open(source, source, { follow: true })
  try {
    return await new TreeSending(client, patience, progress, unsettledMax, root, target).run()
  } finally {
    root.release()
  }
}

class TreeSending {
  private readonly failures = new Failures()
  private readonly done = { files: 0, directories: 0, links: 0, bytes: 0 }
  private readonly buffered = { durability: 'buffered' } as const
  private readonly unsettled: Unsettled<Task>
  private readonly small: SmallFiles
  /** The newest CP that an answer has promised to contain a write. */
  private promisedCp = 0

  constructor(
    private readonly client: Client,
    private readonly patience: Patience,
    private readonly progress: Progress,
    private readonly unsettledMax: number,
    private readonly root: LocalFolder,
    private readonly target: readonly string[],
  ) {
    this.unsettled = new Unsettled<Task>(client)
    this.small = new SmallFiles(
      (steps) => patience.of(() => client.batch(steps, this.buffered)),
      ({ bytes, again, isAgain }, answer) => {
        this.promised(answer, again)
        if (!isAgain) this.stored(bytes.length)
      },
      ({ path, bytes, attributes, again, isAgain }: SmallFile) =>
        this.failures.gather(showPath(path), async () => {
          await this.send(again, () => client.put(showPath(path), bytes, { ...attributes, ...this.buffered }))
          if (!isAgain) this.stored(bytes.length)
        }),
    )
  }

  async run(): Promise<TreeReport> {
    const cp = await this.sendAll()
    if (cp < this.promisedCp)
      throw new UserError(
        `the server took consistency point ${cp} and not ${this.promisedCp}, which has the tree`,
      )
    return { cp, ...this.done, failures: this.failures.list, failuresTotal: this.failures.total }
  }

  private async sendAll(): Promise<number> {
    let tasks: readonly Task[] = [this.putRoot(false)]
    for (let round = 0; round < roundsMax; round++) {
      await runPool((add) => Promise.resolve(tasks.forEach(add)), requestsMax)
      await this.small.end()
      const { cp, lost } = await this.patience.of(() => this.unsettled.settle())
      if (cp !== null && lost.length === 0) return cp.cp
      tasks = lost
    }
    throw new UserError(`the server was started anew ${roundsMax} times: not all of the tree is there`)
  }

  private putRoot(isAgain: boolean): Task {
    return (add) =>
      this.failures.gather(showPath(this.target), () =>
        this.putFolder(this.root, this.target, isAgain, add, this.putRoot(true)),
      )
  }

  private putEntry({ within, name, remote, isAgain }: Sent): Task {
    return (add) =>
      this.failures.gather(showPath(remote), () =>
        this.putOne({ within, name, remote, isAgain }, add).finally(() => within.release()),
      )
  }

  /** The folder is not kept open until the server is known to have the entry, so the way to the entry is gone again. */
  private putAgain(name: string, remote: readonly string[]): Task {
    return (add) =>
      this.failures.gather(showPath(remote), async () => {
        const within = this.root.descend(remote.slice(this.target.length, -1))
        await this.putOne({ within, name, remote, isAgain: true }, add).finally(() => within.release())
      })
  }

  private async putOne(sent: Sent, add: Add): Promise<void> {
    const { within, name, remote, isAgain } = sent
    const path = within.pathOf(name)
    if (this.unsettled.size >= this.unsettledMax)
      for (const lost of (await this.patience.of(() => this.unsettled.settle())).lost) add(lost)
    const again = this.putAgain(name, remote)
    const stat = localStat(within.at(name), { follow: false }, path)
    switch (stat.kind) {
      case 'directory': {
        const below = LocalFolder.open(within.at(name), path, { follow: false })
        await this.putFolder(below, remote, isAgain, add, again).finally(() => below.release())
        break
      }
      case 'link':
        await this.putLink(sent, stat, again)
        break
      case 'file': {
        const file = LocalFile.open(within.at(name), path, { follow: false })
        await this.putFile(file, sent, again).finally(() => file.close())
        break
      }
      case 'other':
        throw new UserError('is neither a file, nor a directory, nor a symbolic link')
    }
  }

  private async putFolder(
    folder: LocalFolder,
    remote: readonly string[],
    isAgain: boolean,
    add: Add,
    again: Task,
  ): Promise<void> {
    const stat = localStatOf(folder.stat())
    const { mode, modified } = stat
    // The root of the server is always there, and keeps its own attributes.
    if (remote.length > 0)
      await this.send(again, () =>
        this.client.makeDirectory(showPath(remote), { mode, modified, ...this.buffered }),
      )
    if (isAgain) return
    this.done.directories++
    this.progress.count(0)
    for (const bytes of await folder.names()) {
      const name = textOfBytes(bytes)
      const below = [...remote, name ?? escapedBytes(bytes)]
      if (name === null) this.failures.note(showPath(below), 'the name is no UTF-8')
      else add(this.putEntry({ within: folder.hold(), name, remote: below, isAgain: false }))
    }
    if (remote.length > 0) this.noteTime(remote, stat)
  }

  private async putLink(
    { within, name, remote, isAgain }: Sent,
    stat: LocalStat,
    again: Task,
  ): Promise<void> {
    const { mode, modified } = stat
    const bytes = named(within.pathOf(name), () => readlinkSync(within.at(name), { encoding: 'buffer' }))
    const linkTarget = textOfBytes(bytes)
    if (linkTarget === null)
      throw new UserError(`the target of the link is no UTF-8: ${escapedBytes(bytes).slice(0, 300)}`)
    await this.send(again, () =>
      this.client.putLink(showPath(remote), linkTarget, { mode, modified, ...this.buffered }),
    )
    if (isAgain) return
    this.done.links++
    this.progress.count(0)
    this.noteTime(remote, stat)
  }

  private async putFile(file: LocalFile, { name, remote, isAgain }: Sent, again: Task): Promise<void> {
    const attributesOf = ({ mode, modified }: LocalStat) => {
      const contentType = contentTypeOf(name)
      return { mode, modified, ...(contentType === undefined ? {} : { contentType }) }
    }
    const { size } = file.stat
    if (size <= smallFileBytesMax) {
      const bytes = file.whole()
      await this.small.add({ path: remote, bytes, attributes: attributesOf(file.stat), again, isAgain })
    } else {
      const attributes = { ...attributesOf(file.stat), ...this.buffered }
      await this.send(again, () => this.client.put(showPath(remote), file.stream(), attributes))
      if (!isAgain) this.stored(size)
    }
    if (!isAgain) this.noteTime(remote, file.stat)
  }

  /** Every write of a copy may happen twice. */
  private async send(again: Task, work: () => Promise<Opened<{ readonly cp: number }>>): Promise<void> {
    this.promised(await this.patience.of(work), again)
  }

  private promised({ cp, opening }: Opened<{ readonly cp: number }>, again: Task): void {
    this.promisedCp = Math.max(this.promisedCp, cp)
    this.unsettled.note(opening, again)
  }

  private stored(bytes: number): void {
    this.done.files++
    this.done.bytes += bytes
    this.progress.count(bytes)
  }

  /** A time that the server cannot say is stored as the nearest one, which is not the same. */
  private noteTime(remote: readonly string[], { modifiedNanos }: LocalStat): void {
    if (!isSayable(modifiedNanos))
      this.failures.note(
        showPath(remote),
        'is stored with another time: its own is beyond the years 0 to 9999',
      )
  }
}

type Add = (task: Task) => void
