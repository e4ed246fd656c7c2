/**
 * The floors of the house: who may import whom, and what is banned where. Imports only go down, siblings do not know
 * each other, type imports count.
 */
import { posix } from 'node:path'
import { blanked, importsOf, lineOf } from './source-code.ts'

interface Floor {
  /** Folders of src/ that it may import, besides itself. */
  readonly imports: readonly string[]
  /** Folders of which it may know the types only. */
  readonly types?: readonly string[]
}

/** One line a folder of src/. What lies in src/ itself, and cli/, is the top floor. */
export const floors: Readonly<Record<string, Floor>> = {
  lib: { imports: [] },
  format: { imports: ['lib'] },
  blockdev: { imports: ['lib'] },
  'cp-engine': { imports: ['lib', 'format', 'blockdev'] },
  fs: { imports: ['lib', 'format', 'cp-engine'] },
  replica: { imports: ['lib', 'format', 'blockdev', 'cp-engine'] },
  catalog: { imports: ['lib'] },
  routes: { imports: ['lib', 'fs', 'catalog'], types: ['format', 'blockdev', 'cp-engine', 'replica'] },
}
const top = 'cli'

export interface Ban {
  readonly what: RegExp
  /** Of paths below src/. */
  readonly allowed: RegExp
  readonly why: string
  /** Looks at the modules that are imported, instead of the code. */
  readonly imports?: boolean
}

const doors = /^(?:blockdev|cli)\/|^configuration\.ts$/
const nowhere = /^$/

export const bans: readonly Ban[] = [
  {
    what: /^(?:node:)?fs(?:\/promises)?$/,
    allowed: doors,
    imports: true,
    why: 'files are opened in blockdev/, cli/ and the configuration',
  },
  {
    what: /\bBun\.(?:file|write|mmap)\b/g,
    allowed: doors,
    why: 'files are opened in blockdev/, cli/ and the configuration',
  },
  {
    what: /^(?:bun:sqlite|node:sqlite|drizzle-orm)/,
    allowed: /^catalog\//,
    imports: true,
    why: 'only catalog/ knows SQLite',
  },
  {
    what: /^bun:ffi$/,
    allowed: /^blockdev\//,
    imports: true,
    why: 'foreign calls are optional and stay in blockdev/',
  },
  { what: /^node:timers/, allowed: nowhere, imports: true, why: 'time comes from a Clock' },
  {
    what: /\bDate\.now\b|\bnew Date\(\s*\)|\bnew Date\b(?!\s*\()|(?<!new )(?<![.\w])Date\(|\bperformance\.(?:now|timeOrigin|mark|measure)\b|\bprocess\.(?:hrtime|uptime|nextTick)\b|\bBun\.(?:nanoseconds|sleep|sleepSync)\b|\bAbortSignal\.timeout\b|\b(?:setTimeout|setInterval|setImmediate|queueMicrotask)\b/g,
    allowed: /^lib\/clock\.ts$/,
    why: 'time and timers come from a Clock',
  },
  {
    what: /\bMath\.random\b|\brandomUUID(?:v[57])?\b|\bgetRandomValues\b|\brandomBytes\b|\brandomInt\b/gi,
    allowed: /^lib\/random\.ts$/,
    why: 'chance comes from a Random',
  },
  {
    what: /\bprocess\.env\b|\bBun\.env\b/g,
    allowed: doors,
    why: 'the environment is read by the configuration',
  },
  { what: /\bprocess\.exit\b/g, allowed: /^cli\//, why: 'a command ends the process, nothing below it' },
]

/** Paths are relative to the project and begin with `src/`; every answer is one sentence with its place. */
export function floorViolations(files: ReadonlyMap<string, string>): string[] {
  return [...files].flatMap(([path, text]) => [...importViolations(path, text), ...banViolations(path, text)])
}

const folderOf = (pathInSource: string): string =>
  pathInSource.includes('/') ? pathInSource.split('/')[0]! : top

function importViolations(path: string, text: string): string[] {
  const found: string[] = []
  const folder = folderOf(path.slice('src/'.length))
  const floor = folder === top ? null : floors[folder]
  if (floor === undefined) return [`${path}: src/${folder} has no floor in tools/floors.ts`]
  for (const { from, typeOnly, reExport, line } of importsOf(text)) {
    if (!from.startsWith('.')) {
      if (reExport) found.push(`${path}:${line}: passes on what ${from} exports`)
      continue
    }
    const target = posix.join(posix.dirname(path), from)
    const place = `${path}:${line}: imports ${from}`
    if (reExport)
      found.push(`${path}:${line}: passes on what ${from} exports: an import names the file that it means`)
    if (!/\.(?:ts|tsx|sql|json|html|css)$/.test(target)) found.push(`${place} without its extension`)
    // Data that lies beside src/: the version of the program, and the catalog's migrations.
    if (target === 'package.json' || (folder === 'catalog' && target.startsWith('drizzle/'))) continue
    if (!target.startsWith('src/')) {
      found.push(`${place}, which is not in src/`)
      continue
    }
    const below = folderOf(target.slice('src/'.length))
    if (floor === null || below === folder || floor.imports.includes(below)) continue
    if (floor.types?.includes(below)) {
      if (!typeOnly) found.push(`${place}, but ${folder}/ may know only the types of ${below}/`)
    } else
      found.push(`${place}, but ${folder}/ may not know ${below === top ? 'the top floor' : `${below}/`}`)
  }
  return found
}

function banViolations(path: string, text: string): string[] {
  const inSource = path.slice('src/'.length)
  const code = blanked(text, true)
  return bans
    .filter((ban) => !ban.allowed.test(inSource))
    .flatMap((ban) => {
      const matches = ban.imports
        ? importsOf(text)
            .filter(({ from }) => ban.what.test(from))
            .map(({ from, line }) => [from, line] as const)
        : [...code.matchAll(ban.what)].map((match) => [match[0].trim(), lineOf(code, match.index)] as const)
      return matches.map(([what, line]) => `${path}:${line}: ${what}: ${ban.why}`)
    })
}
