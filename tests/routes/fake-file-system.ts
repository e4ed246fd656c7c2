/** The smallest FileSystem that keeps its contract, in memory: what the door is tested on. */
import type { Applied, DurabilityLevel } from '../../src/cp-engine/contract.ts'
import type {
  Attributes,
  BatchOperation,
  BatchResult,
  Body,
  FileSystem,
  ListOptions,
  ListedEntry,
  Listing,
  NewestSource,
  OpenFile,
  Preconditions,
  ReadView,
  ReadyFile,
  Setting,
  SettingPage,
  SettingsEdit,
  Stat,
  Written,
} from '../../src/fs/contract.ts'
import { type Path, formatPath, parseUrlPath } from '../../src/fs/paths.ts'
import { compareBytes, concatBytes, encodeUtf8 } from '../../src/lib/bytes.ts'
import { type ErrorCode, StillpointError } from '../../src/lib/errors.ts'

interface Node {
  readonly stat: Stat
  readonly bytes: Uint8Array
}
export type Image = ReadonlyMap<string, Node>

const fail = (code: ErrorCode, detail: string): never => {
  throw new StillpointError(code, detail)
}
const parentsOf = (key: string): string[] => {
  const names = key.split('/')
  return names.slice(1).map((_, i) => names.slice(0, i + 1).join('/'))
}

export class FakeFileSystem implements FileSystem {
  image: Map<string, Node> = new Map()
  /** Number of changes of settings. */
  changedSettings = 0
  private settings: ReadonlyMap<string, Uint8Array> = new Map()
  private readonly found = new WeakMap<Stat, ReadyFile>()
  published = 1
  dirty = false
  sequence = 0
  nowMs = Date.UTC(2026, 0, 31, 12)
  openFiles = 0
  openViews = 0
  /** Reading this path fails from this offset on. */
  corrupt: { readonly path: string; readonly from: number } | null = null
  private ready = new Uint8Array(0)

  constructor() {
    this.image.set('', this.node('directory', new Uint8Array(0), {}))
  }

  get cp(): number {
    return this.dirty ? this.published + 1 : this.published
  }

  keys(): string[] {
    return [...this.image.keys()].filter((key) => key !== '').sort()
  }

  content(path: string): string | undefined {
    const node = this.image.get(path)
    return node && Buffer.from(node.bytes).toString()
  }

  publish(): number {
    if (this.dirty) this.published++
    this.dirty = false
    return this.published
  }

  view(): ReadView {
    return this.viewOf(this.image, () => this.cp)
  }

  viewOf(image: Image, cp: () => number): ReadView {
    let released = false
    this.openViews++
    return {
      get cp() {
        return cp()
      },
      stat: async (path) => find(image, path).stat,
      list: async (path, options) => {
        const listing = list(image, path, options)
        for (let i = 0; i < listing.entries.length; i++) await options.pause?.()
        return listing
      },
      open: async (path) => this.open(image, path, cp()),
      openNow: (path) => this.openNow(image, path, cp()),
      // Those of now: nothing asks here for those of a past image.
      setting: async (name) => this.settings.get(name) ?? null,
      settings: async (page) => settingsOf(this.settings, page),
      release: () => {
        if (!released) this.openViews--
        released = true
      },
    }
  }

  newestOf(image: () => Image, cp: () => number): NewestSource {
    return {
      get cp() {
        return cp()
      },
      open: (urlPath) => this.openNow(image(), parseUrlPath(urlPath), cp()),
    }
  }

  private openNow(image: Image, path: Path, cp: number): ReadyFile | null {
    const { stat, bytes } = findFile(image, path)
    const read = (start: number, end: number) => {
      if (end - start > smallBytesMax) return null
      if (this.corrupt?.path === formatPath(path)) fail('corrupt', 'a record')
      // What another read has given is not to be looked at any more.
      this.ready.fill(0)
      this.ready = bytes.slice(start, end)
      return this.ready
    }
    // What was made of a content lasts as long as it.
    const ready = this.found.get(stat) ?? { stat, cp, made: null, read }
    this.found.set(stat, ready)
    return Object.assign(ready, { cp, read })
  }

  private open(image: Image, path: Path, cp: number): OpenFile {
    const node = findFile(image, path)
    let closed = false
    this.openFiles++
    const check = (end: number) => {
      if (this.corrupt?.path === formatPath(path) && end > this.corrupt.from) fail('corrupt', 'a record')
    }
    return {
      stat: node.stat,
      cp,
      read: async (start, end) => {
        check(end)
        return node.bytes.slice(start, end)
      },
      stream(start, end) {
        let at = start
        // One buffer for all of it: whoever keeps a piece too long has another one.
        const buffer = new Uint8Array(65_536)
        return {
          async next() {
            if (at >= end) return null
            const from = at
            at = Math.min(end, from + buffer.length)
            check(at)
            buffer.set(node.bytes.subarray(from, at))
            return buffer.subarray(0, at - from)
          },
          needs: () => (at < end ? buffer.length : 0),
          readAhead: () => {},
          rest: () => buffer.fill(0),
          close: () => buffer.fill(0),
        }
      },
      close: () => {
        if (!closed) this.openFiles--
        closed = true
      },
    }
  }

  private node(
    kind: Stat['kind'],
    bytes: Uint8Array,
    attributes: Attributes,
    target: string | null = null,
  ): Node {
    const stat: Stat = {
      kind,
      size: kind === 'directory' ? 0 : kind === 'link' ? encodeUtf8(target ?? '').length : bytes.length,
      etag: `0-1-${++this.sequence}`,
      contentType: attributes.contentType ?? null,
      createdMs: this.nowMs,
      createdNanos: 0,
      modifiedMs: attributes.modifiedMs ?? this.nowMs,
      modifiedNanos: attributes.modifiedNanos ?? 0,
      mode: attributes.mode ?? (kind === 'directory' ? 0o755 : 0o644),
      meta: attributes.meta ?? {},
      target,
    }
    return { stat, bytes }
  }

  private applied<T>(result: T): Applied<T> {
    this.dirty = true
    return { result, cp: this.cp, sequence: this.sequence }
  }

  private put(path: Path, node: Node): Written {
    const key = formatPath(path)
    for (const parent of parentsOf(key)) {
      const there = this.image.get(parent)
      if (there && there.stat.kind !== 'directory') fail('not-a-directory', parent)
      if (!there) this.image.set(parent, this.node('directory', new Uint8Array(0), {}))
    }
    const old = this.image.get(key)
    if (old?.stat.kind === 'directory') fail('is-a-directory', key)
    this.image.set(key, node)
    return { created: !old, stat: node.stat, applied: this.applied(undefined) }
  }

  private check(path: Path, conditions: Preconditions = {}): void {
    const etag = this.image.get(formatPath(path))?.stat.etag
    const { ifMatch, ifNoneMatch } = conditions
    const has = (tags: readonly string[] | '*') => etag !== undefined && (tags === '*' || tags.includes(etag))
    if (ifMatch !== undefined && !has(ifMatch)) fail('precondition-failed', 'If-Match')
    if (ifNoneMatch !== undefined && has(ifNoneMatch)) fail('precondition-failed', 'If-None-Match')
  }

  async putFile(
    path: Path,
    body: Body,
    attributes: Attributes,
    options: Preconditions = {},
  ): Promise<Written> {
    const bytes = await collect(body)
    this.check(path, options)
    return this.put(path, this.node('file', bytes, attributes))
  }

  async putLink(path: Path, target: string, attributes: Attributes, options: Preconditions = {}) {
    this.check(path, options)
    return this.put(path, this.node('link', new Uint8Array(0), attributes, target))
  }

  async patchFile(path: Path, offset: number | 'end', body: Body, options: Preconditions = {}) {
    const bytes = await collect(body)
    const old = this.file(path, options)
    const at = offset === 'end' ? old.bytes.length : offset
    if (at + bytes.length > 1e6) fail('too-large', 'this fake is small')
    const grown = new Uint8Array(Math.max(old.bytes.length, at + bytes.length))
    grown.set(old.bytes)
    grown.set(bytes, at)
    return { ...this.put(path, this.node('file', grown, old.stat)), offset: at }
  }

  async resizeFile(path: Path, size: number, options: Preconditions = {}): Promise<Written> {
    const old = this.file(path, options)
    if (size > 1e6) fail('too-large', 'this fake is small')
    const bytes = new Uint8Array(size)
    bytes.set(old.bytes.subarray(0, size))
    return this.put(path, this.node('file', bytes, old.stat))
  }

  private file(path: Path, options: Preconditions): Node {
    const node = find(this.image, path)
    if (node.stat.kind === 'directory') fail('is-a-directory', formatPath(path))
    this.check(path, options)
    return node
  }

  async deleteFile(path: Path, options: Preconditions = {}): Promise<Applied<unknown>> {
    this.file(path, options)
    this.image.delete(formatPath(path))
    return this.applied(undefined)
  }

  async makeDirectory(path: Path, attributes: Attributes, options: Preconditions = {}): Promise<Written> {
    const key = formatPath(path)
    const old = this.image.get(key)
    if (old && old.stat.kind !== 'directory') fail('not-a-directory', key)
    this.check(path, options)
    if (old)
      return { created: false, stat: old.stat, applied: { result: undefined, cp: this.cp, sequence: 0 } }
    return this.put(path, this.node('directory', new Uint8Array(0), attributes))
  }

  async deleteDirectory(path: Path, options: Preconditions & { recursive: boolean }) {
    const key = formatPath(path)
    if (key === '') fail('bad-path', 'the root cannot be deleted')
    if (find(this.image, path).stat.kind !== 'directory') fail('not-a-directory', key)
    this.check(path, options)
    const inside = this.keys().filter((other) => other.startsWith(`${key}/`))
    if (inside.length > 0 && !options.recursive) fail('directory-not-empty', key)
    for (const other of [...inside, key]) this.image.delete(other)
    return this.applied(undefined)
  }

  async move(from: Path, to: Path, options: Preconditions & { overwrite: boolean }): Promise<Written> {
    const node = find(this.image, from)
    const [source, target] = [formatPath(from), formatPath(to)]
    this.check(from, options)
    if (source === target) return { created: false, stat: node.stat, applied: this.applied(undefined) }
    if (target.startsWith(`${source}/`)) fail('into-itself', source)
    if (this.image.has(target) && !options.overwrite) fail('exists', target)
    const inside = this.keys().filter((key) => key.startsWith(`${source}/`))
    for (const key of inside) this.image.set(target + key.slice(source.length), this.image.get(key)!)
    for (const key of [...inside, source]) this.image.delete(key)
    return this.put(to, node)
  }

  async batch(operations: readonly BatchOperation[]): Promise<Applied<readonly BatchResult[]>> {
    const before = new Map(this.image)
    const dirty = this.dirty
    const results: BatchResult[] = []
    for (const [index, operation] of operations.entries()) {
      try {
        results.push(await this.step(operation))
      } catch (error) {
        this.image = before
        this.dirty = dirty
        if (!(error instanceof StillpointError)) throw error
        throw new StillpointError(error.code, error.message, { ...error.help, index })
      }
    }
    return this.applied(results)
  }

  private async step(operation: BatchOperation): Promise<BatchResult> {
    if (operation.op === 'delete') {
      const kind = this.image.get(formatPath(operation.path))?.stat.kind
      const options = { ...operation, recursive: operation.recursive ?? false }
      if (kind === 'directory') await this.deleteDirectory(operation.path, options)
      else await this.deleteFile(operation.path, operation)
      return { status: 204, etag: null }
    }
    const written =
      operation.op === 'put'
        ? await this.putFile(operation.path, operation.content, operation, operation)
        : operation.op === 'mkdir'
          ? await this.makeDirectory(operation.path, operation)
          : await this.move(operation.from, operation.to, {
              ...operation,
              overwrite: operation.overwrite ?? false,
            })
    return { status: written.created ? 201 : 200, etag: written.stat.etag }
  }

  async changeSettings<T>(change: (settings: SettingsEdit) => T): Promise<Applied<T>> {
    const changed = new Map(this.settings)
    const result = change({
      get: (name) => changed.get(name) ?? null,
      list: (page) => settingsOf(changed, page),
      put: (name, value) => void changed.set(name, value),
      delete: (name) => void changed.delete(name),
    })
    this.settings = changed
    this.changedSettings++
    this.sequence++
    return this.applied(result)
  }

  async reach(_applied: Applied<unknown>, level: DurabilityLevel): Promise<DurabilityLevel> {
    return level
  }
}

function settingsOf(settings: ReadonlyMap<string, Uint8Array>, page: SettingPage): Setting[] {
  const behind = (name: string) => name.startsWith(page.prefix) && (page.after === null || name > page.after)
  const names = [...settings.keys()].filter(behind).sort().slice(0, page.limit)
  return names.map((name) => ({ name, value: settings.get(name)! }))
}

async function collect(body: Body): Promise<Uint8Array> {
  if (body instanceof Uint8Array) return body
  const parts: Uint8Array[] = []
  for await (const part of body) parts.push(part.slice())
  return concatBytes(...parts)
}

/** So both ways of reading a file are taken. */
const smallBytesMax = 8

function findFile(image: Image, path: Path): Node {
  const node = find(image, path)
  if (node.stat.kind === 'directory') fail('is-a-directory', formatPath(path))
  if (node.stat.kind === 'link') fail('is-a-link', formatPath(path))
  return node
}

function find(image: Image, path: Path): Node {
  const key = formatPath(path)
  for (const parent of parentsOf(key)) {
    const kind = image.get(parent)?.stat.kind
    if (kind !== undefined && kind !== 'directory') fail('not-a-directory', parent)
  }
  return image.get(key) ?? fail('not-found', key)
}

function list(image: Image, path: Path, options: ListOptions): Listing {
  const node = find(image, path)
  if (node.stat.kind !== 'directory') fail('not-a-directory', formatPath(path))
  const all: ListedEntry[] = []
  for (const [key, { stat, bytes }] of image) {
    if (key === '') continue
    const names = key.split('/')
    if (!path.every((name, i) => names[i] === name) || names.length <= path.length) continue
    if (!options.recursive && names.length !== path.length + 1) continue
    const isSmall = stat.kind === 'file' && stat.size <= (options.contentBytesMax || -1)
    all.push({ path: names.slice(path.length), stat, content: isSmall ? bytes : null })
  }
  all.sort((a, b) => compareNames(a.path, b.path))
  const { after } = options
  const rest = after === null ? all : all.filter((entry) => compareNames(entry.path, after) > 0)
  const entries = rest.slice(0, options.limit)
  return { entries, next: rest.length > options.limit ? entries[entries.length - 1]!.path : null }
}

function compareNames(a: readonly string[], b: readonly string[]): number {
  for (let i = 0; i < Math.min(a.length, b.length); i++) {
    const difference = compareBytes(encodeUtf8(a[i]!), encodeUtf8(b[i]!))
    if (difference !== 0) return difference
  }
  return a.length - b.length
}
