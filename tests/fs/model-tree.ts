/**
 * What the files should be, in the simplest form: a tree of maps. Every operation either throws a code of the contract
 * and changes nothing, or changes the tree. Nothing here knows items, records or objects.
 */
import { compareBytes, encodeUtf8 } from '../../src/lib/bytes.ts'
import type { ErrorCode } from '../../src/lib/errors.ts'

export class ModelError extends Error {
  constructor(readonly code: ErrorCode) {
    super(code)
  }
}

export interface ModelAttributes {
  readonly contentType?: string
  readonly meta?: Readonly<Record<string, string>>
  readonly mode?: number
  readonly modifiedMs?: number
  readonly modifiedNanos?: number
}

interface Common {
  /** Null until the file system has told it. */
  readonly etag: string | null
  readonly mode: number
  readonly meta: Readonly<Record<string, string>>
  readonly modifiedMs: number | null
  readonly modifiedNanos: number
}
export type ModelFile = Common & {
  readonly kind: 'file'
  readonly bytes: Uint8Array
  readonly contentType: string | null
}
export type ModelLink = Common & {
  readonly kind: 'link'
  readonly target: string
  readonly contentType: string | null
}
export type ModelDirectory = Common & {
  readonly kind: 'directory'
  readonly children: Map<string, ModelNode>
}
export type ModelNode = ModelFile | ModelLink | ModelDirectory

export type Condition = 'none' | 'absent' | 'exists' | 'current' | 'other'

const emptyDirectory = (): ModelDirectory => ({
  kind: 'directory',
  etag: null,
  mode: 0o755,
  meta: {},
  modifiedMs: null,
  modifiedNanos: 0,
  children: new Map(),
})

const refuse = (code: ErrorCode): never => {
  throw new ModelError(code)
}

export class ModelTree {
  root: ModelDirectory = emptyDirectory()
  /** By name; a value never changes. */
  settings = new Map<string, Uint8Array>()

  clone(): ModelTree {
    const copy = (node: ModelNode): ModelNode =>
      node.kind === 'directory'
        ? { ...node, children: new Map([...node.children].map(([name, child]) => [name, copy(child)])) }
        : node
    const tree = new ModelTree()
    tree.root = copy(this.root) as ModelDirectory
    tree.settings = new Map(this.settings)
    return tree
  }

  /** Null when there is nothing. */
  find(path: readonly string[]): ModelNode | null {
    let node: ModelNode = this.root
    for (const name of path) {
      if (node.kind !== 'directory') return refuse('not-a-directory')
      const child = node.children.get(name)
      if (!child) return null
      node = child
    }
    return node
  }

  setEtag(path: readonly string[], etag: string | null): void {
    const node = this.find(path)
    if (node && path.length > 0) this.set(path, { ...node, etag })
    else if (node) this.root = { ...this.root, etag }
  }

  /** True when it is new. */
  put(
    path: readonly string[],
    bytes: Uint8Array,
    attributes: ModelAttributes,
    condition: Condition,
  ): boolean {
    return this.place(path, condition, {
      kind: 'file',
      etag: null,
      bytes,
      contentType: attributes.contentType ?? null,
      mode: attributes.mode ?? 0o644,
      meta: attributes.meta ?? {},
      modifiedMs: attributes.modifiedMs ?? null,
      modifiedNanos: attributes.modifiedNanos ?? 0,
    })
  }

  putLink(path: readonly string[], target: string, condition: Condition): boolean {
    const common = {
      etag: null,
      contentType: null,
      mode: 0o777,
      meta: {},
      modifiedMs: null,
      modifiedNanos: 0,
    }
    return this.place(path, condition, { kind: 'link', target, ...common })
  }

  private place(path: readonly string[], condition: Condition, node: ModelNode): boolean {
    const before = this.find(path)
    if (before?.kind === 'directory') refuse('is-a-directory')
    this.check(before, condition)
    this.set(path, node)
    return before === null
  }

  file(path: readonly string[]): ModelFile {
    const node = this.find(path)
    if (!node) return refuse('not-found')
    if (node.kind === 'directory') return refuse('is-a-directory')
    return node.kind === 'link' ? refuse('is-a-link') : node
  }

  patch(path: readonly string[], offset: number | 'end', bytes: Uint8Array, condition: Condition): number {
    const file = this.file(path)
    this.check(file, condition)
    const at = offset === 'end' ? file.bytes.length : offset
    if (bytes.length === 0) return at
    const whole = new Uint8Array(Math.max(file.bytes.length, at + bytes.length))
    whole.set(file.bytes)
    whole.set(bytes, at)
    this.set(path, { ...file, bytes: whole, etag: null, modifiedMs: null })
    return at
  }

  resize(path: readonly string[], size: number, condition: Condition): void {
    const file = this.file(path)
    this.check(file, condition)
    if (size === file.bytes.length) return
    const bytes = new Uint8Array(size)
    bytes.set(file.bytes.subarray(0, size))
    this.set(path, { ...file, bytes, etag: null, modifiedMs: null })
  }

  remove(
    path: readonly string[],
    what: 'file' | 'directory' | 'any',
    recursive: boolean,
    condition: Condition,
  ): void {
    const node = this.find(path)
    if (!node) return refuse('not-found')
    if (node.kind === 'directory') {
      if (what === 'file') refuse('is-a-directory')
      if (path.length === 0) refuse('forbidden')
      if (!recursive && node.children.size > 0) refuse('directory-not-empty')
    } else if (what === 'directory') refuse('not-a-directory')
    this.check(node, condition)
    this.unset(path)
  }

  makeDirectory(path: readonly string[], attributes: ModelAttributes): boolean {
    const node = this.find(path)
    if (node && node.kind !== 'directory') return refuse('not-a-directory')
    const { mode, meta, modifiedMs } = attributes
    if (node && mode === undefined && meta === undefined && modifiedMs === undefined) return false
    const base = node ?? emptyDirectory()
    const made = {
      ...base,
      etag: null,
      mode: mode ?? base.mode,
      meta: meta ?? base.meta,
      modifiedMs: modifiedMs ?? base.modifiedMs,
      modifiedNanos: modifiedMs === undefined ? base.modifiedNanos : (attributes.modifiedNanos ?? 0),
    }
    if (path.length === 0) this.root = made
    else this.set(path, made)
    return node === null
  }

  /** True when the target is new. */
  move(from: readonly string[], to: readonly string[], overwrite: boolean, condition: Condition): boolean {
    const node = this.find(from)
    if (!node) return refuse('not-found')
    const isBelow = to.length >= from.length && from.every((name, i) => name === to[i])
    if (isBelow && to.length === from.length) {
      this.check(node, condition)
      return false
    }
    if (isBelow && node.kind === 'directory') refuse('into-itself')
    const target = this.find(to)
    if (target) {
      if (!overwrite) refuse('exists')
      if (target.kind === 'directory') {
        if (node.kind !== 'directory') refuse('is-a-directory')
        if (target.children.size > 0) refuse('directory-not-empty')
      } else if (node.kind === 'directory') refuse('not-a-directory')
    }
    this.check(node, condition)
    this.unset(from)
    this.set(to, node)
    return target === null
  }

  /** Everything below a directory: a directory before its content, names by their bytes. */
  list(path: readonly string[], recursive: boolean): { path: string[]; node: ModelNode }[] {
    const listed = this.find(path)
    if (!listed) return refuse('not-found')
    if (listed.kind !== 'directory') return refuse('not-a-directory')
    const found: { path: string[]; node: ModelNode }[] = []
    const walk = (directory: ModelDirectory, prefix: string[]) => {
      const names = [...directory.children.keys()].toSorted((a, b) =>
        compareBytes(encodeUtf8(a), encodeUtf8(b)),
      )
      for (const name of names) {
        const node = directory.children.get(name)!
        found.push({ path: [...prefix, name], node })
        if (recursive && node.kind === 'directory') walk(node, [...prefix, name])
      }
    }
    walk(listed, [])
    return found
  }

  private check(node: ModelNode | null, condition: Condition): void {
    const fails =
      (condition === 'absent' && node !== null) ||
      (condition === 'exists' && node === null) ||
      (condition === 'current' && node === null) ||
      condition === 'other'
    if (fails) refuse('precondition-failed')
  }

  private set(path: readonly string[], node: ModelNode): void {
    let directory = this.root
    for (const name of path.slice(0, -1)) {
      let child = directory.children.get(name)
      if (!child) {
        child = emptyDirectory()
        directory.children.set(name, child)
      }
      directory = child as ModelDirectory
    }
    directory.children.set(path.at(-1)!, node)
  }

  private unset(path: readonly string[]): void {
    const parent = this.find(path.slice(0, -1)) as ModelDirectory
    parent.children.delete(path.at(-1)!)
  }
}
