/**
 * What one client's directory holds, as a value: no state is ever changed, so every earlier one stays comparable.
 * Paths are relative to the client's directory, joined by `/`.
 */

export type Entry =
  | { readonly kind: 'file'; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly kind: 'directory' }
  | { readonly kind: 'link'; readonly target: string }

export type Tree = ReadonlyMap<string, Entry>

export const emptyTree: Tree = new Map()

export type Step =
  | { readonly op: 'put'; readonly path: string; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly op: 'link'; readonly path: string; readonly target: string }
  | {
      readonly op: 'patch'
      readonly path: string
      readonly offset: number | 'end'
      readonly bytes: Uint8Array<ArrayBuffer>
    }
  | { readonly op: 'resize'; readonly path: string; readonly size: number }
  | { readonly op: 'delete'; readonly path: string }
  | { readonly op: 'mkdir'; readonly path: string }
  | { readonly op: 'rmdir'; readonly path: string }
  | { readonly op: 'move'; readonly from: string; readonly to: string }

/** The tree after a step that succeeds; the generator makes no other. */
export function applyStep(tree: Tree, step: Step): Tree {
  const next = new Map(tree)
  switch (step.op) {
    case 'put':
      addParents(next, step.path)
      next.set(step.path, { kind: 'file', bytes: step.bytes })
      return next
    case 'link':
      addParents(next, step.path)
      next.set(step.path, { kind: 'link', target: step.target })
      return next
    case 'patch': {
      const old = fileBytes(tree, step.path)
      // Nothing written behind the end does not make a file longer.
      if (step.bytes.length === 0) return tree
      const offset = step.offset === 'end' ? old.length : step.offset
      const bytes = new Uint8Array(Math.max(old.length, offset + step.bytes.length))
      bytes.set(old)
      bytes.set(step.bytes, offset)
      next.set(step.path, { kind: 'file', bytes })
      return next
    }
    case 'resize': {
      const bytes = new Uint8Array(step.size)
      bytes.set(fileBytes(tree, step.path).subarray(0, step.size))
      next.set(step.path, { kind: 'file', bytes })
      return next
    }
    case 'delete':
      next.delete(step.path)
      return next
    case 'mkdir':
      addParents(next, step.path)
      next.set(step.path, { kind: 'directory' })
      return next
    case 'rmdir':
      for (const path of tree.keys()) if (isWithin(path, step.path)) next.delete(path)
      return next
    case 'move': {
      addParents(next, step.to)
      for (const path of tree.keys()) if (isWithin(path, step.to)) next.delete(path)
      for (const [path, entry] of tree)
        if (isWithin(path, step.from)) {
          next.delete(path)
          next.set(`${step.to}${path.slice(step.from.length)}`, entry)
        }
      return next
    }
  }
}

/** The entry itself or anything below it. */
export const isWithin = (path: string, folder: string): boolean =>
  path === folder || path.startsWith(`${folder}/`)

export function parentsOf(path: string): string[] {
  const names = path.split('/')
  return names.slice(1).map((_name, index) => names.slice(0, index + 1).join('/'))
}

function addParents(tree: Map<string, Entry>, path: string): void {
  for (const parent of parentsOf(path)) if (!tree.has(parent)) tree.set(parent, { kind: 'directory' })
}

function fileBytes(tree: Tree, path: string): Uint8Array {
  const entry = tree.get(path)
  if (entry?.kind !== 'file') throw new Error(`${path} is not a file of the model`)
  return entry.bytes
}

/** What a tree says of an entry, comparable and printable; content by its length and hash. */
export function describeEntry(entry: Entry | undefined): string {
  if (!entry) return 'absent'
  if (entry.kind === 'file') return `file ${entry.bytes.length} ${hashOf(entry.bytes)}`
  return entry.kind === 'link' ? `link ${entry.target}` : 'directory'
}

export const hashOf = (bytes: Uint8Array): string => Bun.hash(bytes).toString(16)

/** Null when they are equal; otherwise the first few differences, in words. */
export function differenceOf(expected: Tree, found: Tree): string | null {
  const differences: string[] = []
  for (const path of new Set([...expected.keys(), ...found.keys()])) {
    const left = expected.get(path)
    const right = found.get(path)
    if (left === right || sameEntry(left, right)) continue
    differences.push(`${path}: expected ${describeEntry(left)}, found ${describeEntry(right)}`)
    if (differences.length === 4) break
  }
  return differences.length === 0 ? null : differences.join('; ')
}

function sameEntry(left: Entry | undefined, right: Entry | undefined): boolean {
  if (left?.kind === 'file' && right?.kind === 'file')
    return left.bytes.length === right.bytes.length && Buffer.compare(left.bytes, right.bytes) === 0
  return describeEntry(left) === describeEntry(right)
}
