/** Every edit of every source, kept by what the source contains. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { FileEdits, Library } from './library.ts'
import type { Contents } from './sources.ts'
import type { Store } from './store.ts'

export interface SourceEdits extends FileEdits {
  readonly file: string
  readonly source: string
  /** Of the source and the library: marks of another version mean something else. */
  readonly version: string
}

export interface Kept {
  readonly version: string
  readonly edits: FileEdits
}

export interface CatalogueParts {
  readonly root: string
  readonly contents: Contents
  readonly store: Store<Kept>
  readonly libraryVersion: string
  /** Called when something is new. */
  readonly openLibrary: () => Promise<Library>
  readonly progress: (text: string) => void
}

export type Catalogue = ReadonlyMap<string, SourceEdits>

export async function makeCatalogue(files: readonly string[], parts: CatalogueParts): Promise<Catalogue> {
  const catalogue = new Map<string, SourceEdits>()
  let library: Library | null = null
  for (const [i, file] of files.entries()) {
    const version = `${parts.contents.hash(file)}-${parts.libraryVersion}`
    const source = readFileSync(join(parts.root, file), 'utf8')
    let kept = parts.store.get(file)
    if (kept?.version !== version) {
      library ??= await parts.openLibrary()
      kept = { version, edits: await library(file, source) }
      parts.store.put(file, kept)
      parts.progress(`edits of ${i + 1} of ${files.length} sources`)
    }
    catalogue.set(file, { ...kept.edits, file, source, version })
  }
  return catalogue
}
