/**
 * Runs commands against a file system and against the model at once: the answers have to be the same, and in the end
 * everything that can be read. Independent of the engine below: whoever has another one makes a ModelVolume of it.
 */
import { expect } from 'bun:test'
import type { Engine, PublishedRoot } from '../../src/cp-engine/contract.ts'
import {
  type BatchOperation,
  type FileSystem,
  type OpenFile,
  type ListedEntry,
  type NewestSource,
  type Preconditions,
  type ReadView,
  type Stat,
  bufferedBytesMax,
  listedContentBytesMax,
} from '../../src/fs/contract.ts'
import { type Path, parsePlainPath } from '../../src/fs/paths.ts'
import { readPublished } from '../../src/fs/read/read-view.ts'
import { StillpointError } from '../../src/lib/errors.ts'
import { type Counts, expectQuiet } from '../noticing/quiet.ts'
import type { Command, Content, Step } from './model-commands.ts'
import { type Condition, ModelError, type ModelNode, ModelTree } from './model-tree.ts'
import { bytesOf, chunked, readAll, streamAll } from './volume.ts'
import { withZeros } from './zero-shapes.ts'

export interface ModelVolume {
  readonly engine: Engine
  readonly files: FileSystem & { readonly newest: NewestSource }
  /** Ends this opening, cleanly or by a crash, and opens again: everything that was written is there. */
  reopen(): Promise<void>
  /** The problems that are found once the reaper has nothing left to do. */
  check(): Promise<readonly string[]>
  /** See noticing/quiet.ts. */
  counts(): Counts
  close(): Promise<void>
}

const holdsMax = 3
const pathOf = (names: readonly string[]): Path => parsePlainPath(names.join('/'))
const contentOf = ({ length, seed, zeros }: Content): Uint8Array => withZeros(bytesOf(length, seed), zeros)

class Run {
  private tree = new ModelTree()
  private readonly held: { readonly file: OpenFile; readonly bytes: Uint8Array }[] = []
  private past: { readonly published: PublishedRoot; readonly tree: ModelTree } | null = null

  constructor(private readonly volume: ModelVolume) {}

  async all(commands: readonly Command[]): Promise<void> {
    for (const command of commands) {
      await this.do(command)
      await expectQuiet(() => this.volume.counts(), this.held.length > 0)
    }
    await this.letGoAll()
    await expectQuiet(() => this.volume.counts())
    await this.view((view) => compareAll(view, this.tree))
    expect(await this.volume.check()).toEqual([])
    await this.view((view) => compareAll(view, this.tree))
  }

  private async do(command: Command): Promise<unknown> {
    const { files } = this.volume
    switch (command.op) {
      case 'put': {
        const { path, attributes, condition, chunkBytes } = command
        const bytes = contentOf(command.content)
        const body = chunkBytes === 0 ? bytes : chunked(bytes, chunkBytes)
        const options = this.conditions(path, condition)
        return this.write(
          path,
          (tree) => tree.put(path, bytes, attributes, condition),
          () => files.putFile(pathOf(path), body, attributes, { ...options, lengthHint: bytes.length }),
        )
      }
      case 'link': {
        const { path, target, condition } = command
        const options = this.conditions(path, condition)
        return this.write(
          path,
          (tree) => tree.putLink(path, target, condition),
          () => files.putLink(pathOf(path), target, {}, options),
        )
      }
      case 'patch': {
        const { path, offset, condition } = command
        const bytes = contentOf(command.content)
        const options = this.conditions(path, condition)
        let expected = 0
        const change = (tree: ModelTree) => {
          expected = tree.patch(path, offset, bytes, condition)
          return false
        }
        return this.write(path, change, async () => {
          const body = bytes.length > 1000 ? chunked(bytes, 50_000) : bytes
          const patched = await files.patchFile(pathOf(path), offset, body, options)
          expect(patched.offset).toBe(expected)
          return patched
        })
      }
      case 'resize': {
        const { path, size, condition } = command
        const options = this.conditions(path, condition)
        const change = (tree: ModelTree) => {
          tree.resize(path, size, condition)
          return false
        }
        return this.write(path, change, () => files.resizeFile(pathOf(path), size, options))
      }
      case 'mkdir': {
        const { path, attributes } = command
        return this.write(
          path,
          (tree) => tree.makeDirectory(path, attributes),
          () => files.makeDirectory(pathOf(path), attributes),
        )
      }
      case 'move': {
        const { from, to, overwrite, condition } = command
        const options = { ...this.conditions(from, condition), overwrite }
        return this.write(
          to,
          (tree) => tree.move(from, to, overwrite, condition),
          () => files.move(pathOf(from), pathOf(to), options),
        )
      }
      case 'deleteFile': {
        const { path, condition } = command
        const options = this.conditions(path, condition)
        return this.expectSame(
          (tree) => tree.remove(path, 'file', false, condition),
          () => files.deleteFile(pathOf(path), options),
        )
      }
      case 'deleteDirectory': {
        const { path, recursive } = command
        return this.expectSame(
          (tree) => tree.remove(path, 'directory', recursive, 'none'),
          () => files.deleteDirectory(pathOf(path), { recursive }),
        )
      }
      case 'batch':
        return this.batch(command.steps)
      case 'read':
        return this.view((view) => this.read(view, command.path, command.start, command.length))
      case 'list':
        return this.view((view) => this.list(view, command))
      case 'hold':
        return this.hold(command.path)
      case 'letGo':
        return this.letGo()
      case 'cp':
        this.past = { tree: this.tree.clone(), published: await this.volume.engine.requestCp('requested') }
        return undefined
      case 'past':
        return this.comparePast()
      case 'reopen':
        await this.letGoAll()
        this.past = null
        return this.volume.reopen()
    }
  }

  /** The model first, because it says which ETag a precondition takes. */
  private async expectSame<T, U>(
    change: (tree: ModelTree) => U,
    write: () => Promise<T>,
  ): Promise<{ done: T; model: U } | null> {
    const next = this.tree.clone()
    let expected = 'ok'
    let model: U | null = null
    try {
      model = change(next)
    } catch (error) {
      if (!(error instanceof ModelError)) throw error
      expected = error.code
    }
    let done: T | null = null
    let code = 'ok'
    try {
      done = await write()
    } catch (error) {
      if (!(error instanceof StillpointError)) throw error
      code = error.code
    }
    expect(code).toBe(expected)
    if (expected !== 'ok') return null
    this.tree = next
    return { done: done as T, model: model as U }
  }

  private async write(
    path: readonly string[],
    change: (tree: ModelTree) => boolean,
    write: () => Promise<{ created: boolean; stat: Stat }>,
  ): Promise<void> {
    const before = this.tree
    const same = await this.expectSame(change, write)
    if (!same) return
    const { created, stat } = same.done
    expect(created).toBe(same.model)
    const node = this.tree.find(path)!
    if (node.etag !== null) expect(stat.etag).toBe(node.etag)
    else expect(etags(before)).not.toContain(stat.etag)
    this.tree.setEtag(path, stat.etag)
    compareStat(stat, this.tree.find(path)!)
  }

  private async batch(steps: readonly Step[]): Promise<void> {
    const operations = steps.map((step) => this.operationOf(step))
    let failedAt = -1
    const apply = (tree: ModelTree) =>
      steps.map((step, index) => {
        failedAt = index
        return applyStep(tree, step)
      })
    const { files } = this.volume
    const same = await this.expectSame(apply, async () => {
      try {
        return await files.batch(operations)
      } catch (error) {
        if (error instanceof StillpointError) expect(error.help.index).toBe(failedAt)
        throw error
      }
    })
    if (!same) return
    expect(same.done.result.map(({ status }) => status)).toEqual(same.model)
    // Later steps may have changed what earlier ones made: the last word on a path counts.
    steps.forEach((step, index) => {
      if (step.op === 'delete' || steps.slice(index + 1).some((later) => later.op !== 'put')) return
      this.tree.setEtag(step.op === 'move' ? step.to : step.path, same.done.result[index]!.etag)
    })
  }

  /** ETags of the time before the batch: within one, only conditions that need none are asked for. */
  private operationOf(step: Step): BatchOperation {
    switch (step.op) {
      case 'put':
        return {
          op: 'put',
          path: pathOf(step.path),
          content: contentOf(step.content),
          ...step.attributes,
          ...withoutEtag(step.condition),
        }
      case 'delete':
        return {
          op: 'delete',
          path: pathOf(step.path),
          recursive: step.recursive,
          ...withoutEtag(step.condition),
        }
      case 'mkdir':
        return { op: 'mkdir', path: pathOf(step.path), ...step.attributes }
      case 'move': {
        const { from, to, overwrite, condition } = step
        return { op: 'move', from: pathOf(from), to: pathOf(to), overwrite, ...withoutEtag(condition) }
      }
    }
  }

  private conditions(path: readonly string[], condition: Condition): Preconditions {
    if (condition !== 'current') return withoutEtag(condition)
    let etag: string | null = null
    try {
      etag = this.tree.find(path)?.etag ?? null
    } catch (error) {
      if (!(error instanceof ModelError)) throw error
    }
    return { ifMatch: etag === null ? '*' : ['0-0-zzz', etag] }
  }

  private async read(view: ReadView, path: readonly string[], start: number, length: number): Promise<void> {
    const end = start + length
    await this.expectSame(
      (tree) => tree.file(path),
      async () => {
        const { newest } = this.volume.files
        const found = [view.openNow(pathOf(path)), newest.open(path.map(encodeURIComponent).join('/'))]
        const readyNow = found
          .filter((ready) => ready !== null)
          .map((ready) => ({
            stat: ready.stat,
            whole: ready.read(0, ready.stat.size)?.slice(),
            part: ready.read(start, end)?.slice(),
          }))
        const file = await view.open(pathOf(path))
        try {
          const { bytes } = this.tree.file(path)
          const expected = bytes.subarray(start, end)
          for (const { stat, whole, part } of readyNow) {
            expect(stat).toEqual(file.stat)
            if (whole) expect(equal(whole, bytes)).toBe(true)
            if (part) expect(equal(part, expected)).toBe(true)
          }
          if (length <= bufferedBytesMax) expect(equal(await file.read(start, end), expected)).toBe(true)
          expect(equal(await streamAll(file, start, end), expected)).toBe(true)
        } finally {
          file.close()
        }
      },
    )
  }

  private async list(
    view: ReadView,
    { path, recursive, limit }: Extract<Command, { op: 'list' }>,
  ): Promise<void> {
    await this.expectSame(
      (tree) => tree.list(path, recursive),
      () => compareListing(view, this.tree, path, recursive, limit),
    )
  }

  private async hold(path: readonly string[]): Promise<void> {
    if (this.held.length >= holdsMax) return
    let bytes: Uint8Array
    try {
      ;({ bytes } = this.tree.file(path))
    } catch (error) {
      if (error instanceof ModelError) return
      throw error
    }
    const file = await this.view((view) => view.open(pathOf(path)))
    this.held.push({ file, bytes })
  }

  private async letGo(): Promise<void> {
    const held = this.held.shift()
    if (!held) return
    const { file, bytes } = held
    expect(equal(await streamAll(file, 0, bytes.length), bytes)).toBe(true)
    file.close()
  }

  private async letGoAll(): Promise<void> {
    while (this.held.length > 0) await this.letGo()
  }

  private async comparePast(): Promise<void> {
    const { engine } = this.volume
    if (!this.past || !engine.readable().includes(this.past.published)) return
    const view = readPublished(engine, this.past.published)
    try {
      await compareAll(view, this.past.tree)
    } finally {
      view.release()
    }
  }

  private async view<T>(work: (view: ReadView) => Promise<T>): Promise<T> {
    const view = this.volume.files.view()
    try {
      return await work(view)
    } finally {
      view.release()
    }
  }
}

function withoutEtag(condition: Condition): Preconditions {
  if (condition === 'absent') return { ifNoneMatch: '*' }
  if (condition === 'exists' || condition === 'current') return { ifMatch: '*' }
  return condition === 'other' ? { ifMatch: ['0-0-zzz'] } : {}
}

/** The status that the step answers with. */
function applyStep(tree: ModelTree, step: Step): number {
  switch (step.op) {
    case 'put':
      return tree.put(step.path, contentOf(step.content), step.attributes, step.condition) ? 201 : 200
    case 'delete':
      tree.remove(step.path, 'any', step.recursive, step.condition)
      return 204
    case 'mkdir':
      return tree.makeDirectory(step.path, step.attributes) ? 201 : 200
    case 'move':
      return tree.move(step.from, step.to, step.overwrite, step.condition) ? 201 : 200
  }
}

const etags = (tree: ModelTree): string[] =>
  tree.list([], true).flatMap(({ node }) => (node.etag === null ? [] : [node.etag]))

const equal = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0

function compareStat(stat: Stat, node: ModelNode): void {
  const size = node.kind === 'file' ? node.bytes.length : node.kind === 'link' ? node.target.length : 0
  expect(stat).toMatchObject({
    kind: node.kind,
    size,
    mode: node.mode,
    contentType: node.kind === 'file' ? node.contentType : null,
    target: node.kind === 'link' ? node.target : null,
  })
  expect(stat.meta).toEqual(node.meta)
  const { modifiedMs, modifiedNanos } = node
  if (modifiedMs !== null) expect(stat).toMatchObject({ modifiedMs, modifiedNanos })
  if (node.etag !== null) expect(stat.etag).toBe(node.etag)
}

async function compareListing(
  view: ReadView,
  tree: ModelTree,
  path: readonly string[],
  recursive: boolean,
  limit: number,
): Promise<void> {
  const listed: ListedEntry[] = []
  let after: readonly string[] | null = null
  do {
    const page: Awaited<ReturnType<ReadView['list']>> = await view.list(pathOf(path), {
      after,
      limit,
      recursive,
      contentBytesMax: listedContentBytesMax,
    })
    expect(page.entries.length).toBeLessThanOrEqual(limit)
    listed.push(...page.entries)
    after = page.next
  } while (after)
  const expected = tree.list(path, recursive)
  expect(listed.map((entry) => entry.path.join('/'))).toEqual(expected.map((entry) => entry.path.join('/')))
  expected.forEach(({ path: name, node }, i) => {
    compareStat(listed[i]!.stat, node)
    const { content } = listed[i]!
    if (content && !(node.kind === 'file' && equal(content, node.bytes)))
      throw new Error(`${name.join('/')} is listed with other bytes than it has`)
  })
}

async function compareAll(view: ReadView, tree: ModelTree): Promise<void> {
  await compareListing(view, tree, [], true, 1000)
  compareStat(await view.stat(pathOf([])), tree.root)
  for (const { path, node } of tree.list([], true)) {
    if (node.kind !== 'file') continue
    const bytes = await readAll(view, pathOf(path))
    if (!equal(bytes, node.bytes)) throw new Error(`${path.join('/')} has other bytes than it should`)
  }
}

export async function runCommands(volume: ModelVolume, commands: readonly Command[]): Promise<void> {
  try {
    await new Run(volume).all(commands)
  } finally {
    await volume.close()
  }
}
