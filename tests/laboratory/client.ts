/**
 * One client: an operation after the other, of any kind and level, and reads of its own. It remembers what it was told:
 * the CPs that it is told of never go back, what it reads is the state of one moment, and a refusal is one that the
 * files of that moment deserve.
 */
import { reachLevel } from '../../src/server/durability-levels.ts'
import { StillpointError, hasCode } from '../../src/lib/errors.ts'
import type { ReadView } from '../../src/fs/contract.ts'
import type { Views } from '../../src/fs/read/image-leases.ts'
import { ModelError, type ModelNode, type ModelTree } from '../fs/model-tree.ts'
import { compareAll, compareStat, readFile } from './compare.ts'
import type { Chance } from './chance.ts'
import {
  type FileOperation,
  type Known,
  type Names,
  applyToModel,
  isSemantic,
  pathOf,
  perform,
  someOperation,
} from './file-operations.ts'
import type { Request } from './history.ts'
import type { Laboratory } from './laboratory.ts'
import type { MirrorMachine } from './mirror-machine.ts'
import { asRequest, sequenceOf } from './observed-engine.ts'
import type { PrimaryProcess } from './primary-machine.ts'
import { readSlowly } from './slow-reader.ts'
import { mustFollow } from './tokens.ts'
import { Violation, must } from './violation.ts'

export class Client {
  private readonly chance: Chance
  /** Of all writes, of everything that was durable, and of everything that this opening has said. */
  private readonly highest = { written: 0, durable: 0, thisOpening: 0, opening: -1 }
  private last: { readonly request: Request; readonly cp: number; readonly opening: number } | null = null
  private readonly versions = new Map<string, string>()

  constructor(
    private readonly lab: Laboratory,
    readonly name: string,
  ) {
    this.chance = lab.chance.of(name)
  }

  async run(): Promise<void> {
    const { lab, chance } = this
    while (lab.isUnderWay) {
      await lab.loop.sleep(chance.below(lab.profile.thinkMsMax + 1))
      const { process } = lab.primary
      if (!process || !lab.isUnderWay) {
        await lab.loop.sleep(5)
        continue
      }
      const what = chance.weighted({ write: 16, read: 4, readSlowly: 2, readMirror: 2 })
      const mirror = chance.pick(lab.mirrors)
      if (what === 'readMirror' && !mirror.process) continue
      const asked = what === 'readMirror' ? mirror.process! : process
      const work = what === 'readMirror' ? this.readMirror(mirror) : this[what](process)
      // What a dead process still says is checked as well.
      lab.loop.background(work)
      await Promise.race([asked.ended, work])
    }
  }

  private async write(process: PrimaryProcess): Promise<void> {
    const { lab, chance } = this
    const operation = someOperation(chance, lab.profile.habits, this.known(process))
    const level = chance.weighted(lab.profile.levels)
    const wish = { level, mirrors: chance.between(1, 2), waitMs: chance.pick([50, 500, 2000]) }
    await this.request(process, operation, wish)
  }

  private known({ engine }: PrimaryProcess): Known {
    const listed = this.lab.history.stateAt(sequenceOf(engine)).list([], true)
    const of = (kind: 'file' | 'directory') =>
      listed.filter(({ node }) => node.kind === kind).map(({ path }) => path)
    return {
      files: of('file'),
      directories: of('directory'),
      versionOf: (path) => this.versions.get(path.join('/')) ?? null,
    }
  }

  /** The answer is checked and remembered. Null: it failed. */
  async request(
    process: PrimaryProcess,
    operation: FileOperation,
    wish: Parameters<typeof reachLevel>[2],
  ): Promise<Request | null> {
    const { lab } = this
    const { history } = lab
    const { engine, mirrors, files, clock } = process
    const request = history.request(this.name, operation)
    try {
      await clock.sleep(this.chance.below(2))
      const { applied, etag } = await asRequest(request, () => perform(files, operation, history.etagOf))
      const reach = {
        clock,
        reach: engine.reach.bind(engine),
        mirrored: (cp: number, count: number, ms: number) =>
          mirrors.waitMirrored(cp, count, clock.monotonic() + ms),
      }
      const level = await reachLevel(reach, applied, wish)
      lab.trace.note(
        `${this.name} ${request.id} ${operation.op} ${level} cp ${applied.cp} #${applied.sequence}`,
      )
      if (lab.primary.process !== process && level === 'buffered') return null
      history.answered(request, level, applied.cp, applied.sequence)
      this.toldOfWrite(request)
      lab.note(`answers ${level}`)
      this.last = { request, cp: applied.cp, opening: history.opening }
      if (level === 'mirrored') this.checkMirrored(request, wish.mirrors)
      if (lab.primary.process === process) this.remember(request, etag)
      return request
    } catch (error) {
      this.failed(process, request, error)
      return null
    }
  }

  /** As many mirrors as were asked for have it on their disks: the primary is not needed any more. */
  private checkMirrored(request: Request, count: number): void {
    const having = this.lab.mirrors.filter((mirror) => mirror.cp >= request.cp)
    must(having.length >= count, `request ${request.id} is mirrored, and ${having.length} mirrors have it`)
  }

  private remember(request: Request, etag: string | null): void {
    const { history } = this.lab
    const tree = history.stateAt(request.sequence)
    const operation = request.operation!
    if (!request.hasChanged) {
      const refusal = applyToModel(tree.clone(), operation)
      must(refusal === null, () => `request ${request.id} changed nothing and was not refused: ${refusal}`)
    }
    if (etag === null || operation.op === 'batch') return
    if (operation.op === 'settings' || operation.op === 'token') return
    const path = operation.op === 'move' ? operation.to : operation.path
    const token = tree.find(path)?.etag
    if (!token) return
    history.match(token, etag, `the answer to request ${request.id}`)
    this.versions.set(path.join('/'), token)
  }

  private failed(process: PrimaryProcess, request: Request, error: unknown): void {
    const { lab } = this
    if (error instanceof Violation) throw error
    lab.trace.note(`${this.name} ${request.id} failed: ${String(error)}`)
    if (lab.primary.process !== process) return
    if (!(error instanceof StillpointError) || !isSemantic(error.code)) {
      lab.excuseOrFail(error, lab.primary.isSound)
      lab.note(error instanceof StillpointError ? `refused: ${error.code}` : 'refused: device')
      return
    }
    const tree = lab.history.stateAt(request.looked).clone()
    const code = applyToModel(tree, request.operation!)
    must(
      code === error.code,
      () =>
        `request ${request.id} (${JSON.stringify(request.operation).slice(0, 300)}) was refused as ${error.code}, should be ${code ?? 'done'}`,
    )
    lab.note('refused with reason')
  }

  /** What a client is told of its writes never goes back, crashes included. */
  private toldOfWrite({ cp, hasChanged, reached, id }: Request): void {
    const { highest } = this
    must(
      !hasChanged || cp >= highest.written || !this.lab.primary.isSound,
      `request ${id} of ${this.name} was told cp ${cp} after ${highest.written}`,
    )
    highest.written = Math.max(cp, highest.written)
    this.told(cp)
    // What changed nothing may have been told of a CP that only hidden steps have begun: those are in no log.
    const isKept = hasChanged ? reached !== 'buffered' : reached === 'committed' || reached === 'mirrored'
    if (isKept) highest.durable = Math.max(cp, highest.durable)
  }

  /** What only looks is told of the CP that has it: that goes back only when a crash took away what was buffered. */
  private told(cp: number): void {
    const { highest } = this
    const { primary, history } = this.lab
    if (highest.opening !== history.opening) highest.thisOpening = highest.durable
    highest.opening = history.opening
    must(
      cp >= highest.thisOpening || !primary.isSound,
      `${this.name} was told of cp ${cp} after ${highest.thisOpening}`,
    )
    highest.thisOpening = Math.max(cp, highest.thisOpening)
  }

  // --- Reading ---

  private async read(process: PrimaryProcess): Promise<void> {
    const { lab } = this
    const { files } = this.known(process)
    const path = files.length > 0 ? this.chance.pick(files) : ['a']
    const request = lab.history.request(this.name, null)
    await process.clock.sleep(this.chance.below(2))
    const view = process.files.view()
    try {
      await asRequest(request, async () => {
        const stat = await view.stat(pathOf(path))
        const node = lab.history.stateAt(request.looked).find(path)
        must(node !== null, () => `${path.join('/')} is there, and should not be`)
        compareStat(stat, node, lab.history, path.join('/'))
        if (stat.kind !== 'file') return
        const bytes = await readFile(view, path)
        const isAsThen = this.moments(process, request).some((tree) => {
          const then = nodeAt(tree, path)
          return then?.kind === 'file' && Buffer.compare(bytes, then.bytes) === 0
        })
        must(isAsThen, () => `${path.join('/')} has wrong bytes`)
        lab.history.promised(view.cp)
        this.told(view.cp)
        lab.note('reads')
      })
    } catch (error) {
      if (error instanceof Violation) throw error
      if (lab.primary.process !== process) return
      if (!(error instanceof StillpointError) || !isSemantic(error.code))
        return lab.excuseOrFail(error, lab.primary.isSound)
      this.checkAbsence(process, request, path, error)
    } finally {
      view.release()
    }
  }

  /** One file, over as much time as it takes: the next reads and writes of this client do not wait for it. */
  private readSlowly(process: PrimaryProcess): Promise<void> {
    this.lab.loop.background(this.readWhileItChanges(process))
    return Promise.resolve()
  }

  private async readWhileItChanges(process: PrimaryProcess): Promise<void> {
    const { lab, chance } = this
    const { engine, files, clock } = process
    const { files: known } = this.known(process)
    if (known.length === 0) return
    const path = chance.pick(known)
    const request = lab.history.request(this.name, null)
    const view = files.view()
    const begun = lab.history.stateAt(engine.current().root.sequence)
    let moments: ModelTree[] = []
    try {
      const bytes = await asRequest(request, () =>
        readSlowly(view, path, clock, chance, () => (moments = [begun, ...this.moments(process, request)])),
      )
      const isAsThen = moments.some((tree) => {
        const then = nodeAt(tree, path)
        return then?.kind === 'file' && Buffer.compare(bytes, then.bytes) === 0
      })
      must(isAsThen, () => `${path.join('/')} has wrong bytes for a slow reader`)
      lab.note('slow reads')
    } catch (error) {
      if (error instanceof Violation) throw error
      if (lab.primary.process !== process) return
      if (error instanceof StillpointError && isSemantic(error.code)) return
      lab.excuseOrFail(error, lab.primary.isSound)
    } finally {
      view.release()
    }
  }

  /** Its own newest write, from a mirror: there as soon as the CP is that it was told. */
  private async readMirror(mirror: MirrorMachine): Promise<void> {
    const { lab, last } = this
    const { process } = mirror
    if (!process || !last) return
    const { clock, views, volume } = process
    await clock.sleep(this.chance.below(2))
    if (!volume.currentOrNull() || !(await views.waitFor(last.cp, this.chance.pick([0, 50, 500])))) return
    if (mirror.isSound) {
      const newest = () => mirror.knownAs(volume.current()).tree
      await mustFollow(process.access, newest, `${mirror.url}, its door`)
      if (mirror.process !== process) return
      lab.note('doors of mirrors')
    }
    const published = volume.current()
    const known = mirror.knownAs(published)
    const view = this.chance.below(2) === 0 ? views.open() : this.keptView(views, known.cp)
    if (!view) return
    try {
      must(view.cp === known.cp, `${mirror.url} shows cp ${view.cp} instead of ${known.cp}`)
      const isKept = last.opening === lab.history.opening || last.request.reached !== 'buffered'
      must(
        !isKept || known.sequence >= last.request.sequence || !lab.primary.isSound,
        () => `${mirror.url} at cp ${known.cp} does not have request ${last.request.id} of cp ${last.cp}`,
      )
      const tolerance = lab.tolerance(mirror.isSound)
      await compareAll(view, known.tree, lab.history, mirror.url, tolerance)
      lab.note('reads of mirrors')
    } catch (error) {
      if (error instanceof Violation) throw error
      if (mirror.process === process) lab.excuseOrFail(error, mirror.isSound)
    } finally {
      view.release()
    }
  }

  /** As for `?cp=`: null when too many are kept. */
  private keptView(views: Views, cp: number): ReadView | null {
    try {
      return views.at(cp, 'laboratory')
    } catch (error) {
      if (hasCode(error, 'too-many-pins')) return null
      throw error
    }
  }

  /** What the answer may show: a large file is read from a root, which may be a later one than the first look. */
  private moments({ engine }: PrimaryProcess, request: Request): ModelTree[] {
    const { history } = this.lab
    return [history.stateAt(request.looked), history.stateAt(engine.current().root.sequence)]
  }

  private checkAbsence(process: PrimaryProcess, request: Request, path: Names, error: StillpointError): void {
    const isAbsent = this.moments(process, request).some((tree) => nodeAt(tree, path)?.kind !== 'file')
    must(isAbsent, () => `${path.join('/')} is there, and reading it says ${error.code}`)
  }
}

/** Null when there is nothing, also where a file is on the way. */
function nodeAt(tree: ModelTree, path: Names): ModelNode | null {
  try {
    return tree.find(path)
  } catch (error) {
    if (error instanceof ModelError) return null
    throw error
  }
}
