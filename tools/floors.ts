/**
 * The rooms of the house: who may import whom, and what is banned where. Imports only go to rooms that the importing
 * room's row names; type imports count.
 */
import { posix } from 'node:path'
import { blanked, importsOf, lineOf } from './source-code.ts'

interface Room {
  /** Rooms that it may import, besides itself. */
  readonly imports: readonly string[]
  /** Rooms of which it may know the types only. */
  readonly types?: readonly string[]
}

/**
 * One row a room, lower ones first: the client package (`sdk`, whose sources are in sdk/src/), a folder of src/, or a file that others may know where the rest of its folder may
 * not be known. A row names only rows above it, so there is no circle.
 */
export const rooms: Readonly<Record<string, Room>> = {
  'sdk/generated': { imports: [] },
  sdk: { imports: ['sdk/generated'] },
  lib: { imports: [] },
  'lib/gates': { imports: ['lib'] },
  format: { imports: ['lib'] },
  'format/disk': { imports: ['lib', 'format'] },
  'format/items': { imports: ['lib', 'format'] },
  'format/wire': { imports: ['lib', 'format'] },
  blockdev: { imports: ['lib', 'lib/gates'] },
  catalog: { imports: ['lib'] },
  'catalog/sql': { imports: ['lib', 'catalog'] },
  service: { imports: ['lib'] },
  'cp-engine/contract.ts': { imports: [], types: ['lib', 'format', 'format/disk'] },
  'cp-engine/tree': {
    imports: ['lib', 'lib/gates', 'format', 'format/disk'],
    types: ['blockdev', 'cp-engine/contract.ts'],
  },
  'cp-engine/space': {
    imports: ['lib', 'format', 'format/disk'],
    types: ['blockdev', 'cp-engine/contract.ts'],
  },
  'cp-engine/records': {
    imports: ['lib', 'lib/gates', 'format'],
    types: ['blockdev', 'cp-engine/contract.ts', 'cp-engine/space'],
  },
  'cp-engine/log': { imports: ['lib', 'format', 'format/disk', 'blockdev', 'cp-engine/space'] },
  'cp-engine/volume': {
    imports: [
      'lib',
      'lib/gates',
      'format',
      'format/disk',
      'blockdev',
      'cp-engine/contract.ts',
      'cp-engine/tree',
      'cp-engine/space',
      'cp-engine/records',
    ],
  },
  'cp-engine/open': {
    imports: [
      'lib',
      'format',
      'format/disk',
      'blockdev',
      'cp-engine/tree',
      'cp-engine/space',
      'cp-engine/records',
      'cp-engine/log',
    ],
    types: ['cp-engine/contract.ts', 'cp-engine/volume'],
  },
  'cp-engine/cp': {
    imports: ['lib', 'format', 'format/disk', 'cp-engine/tree', 'cp-engine/space', 'cp-engine/volume'],
    types: ['blockdev', 'cp-engine/contract.ts', 'cp-engine/records', 'cp-engine/log', 'cp-engine/open'],
  },
  'cp-engine': {
    imports: [
      'lib',
      'format',
      'format/disk',
      'blockdev',
      'cp-engine/tree',
      'cp-engine/space',
      'cp-engine/records',
      'cp-engine/log',
      'cp-engine/volume',
      'cp-engine/open',
      'cp-engine/cp',
    ],
    types: ['cp-engine/contract.ts'],
  },
  'fs/paths.ts': { imports: ['lib'] },
  'fs/contract.ts': { imports: [], types: ['format/items', 'cp-engine/contract.ts', 'fs/paths.ts'] },
  'fs/tree': {
    imports: ['lib', 'format', 'format/items', 'fs/paths.ts'],
    types: ['cp-engine/contract.ts', 'fs/contract.ts'],
  },
  'catalog/files': {
    imports: ['lib', 'format', 'format/items', 'catalog', 'cp-engine/tree', 'cp-engine/records', 'fs/tree'],
    types: ['format/disk', 'blockdev', 'cp-engine/contract.ts'],
  },
  'fs/read': {
    imports: ['lib', 'format', 'format/items', 'fs/paths.ts', 'fs/contract.ts', 'fs/tree'],
    types: ['cp-engine/contract.ts'],
  },
  'fs/write': {
    imports: ['lib', 'format', 'format/items', 'fs/paths.ts', 'fs/contract.ts', 'fs/tree', 'fs/read'],
    types: ['lib/gates', 'cp-engine/contract.ts'],
  },
  fs: {
    imports: ['lib', 'lib/gates', 'fs/tree', 'fs/read', 'fs/write'],
    types: ['cp-engine/contract.ts', 'fs/paths.ts', 'fs/contract.ts'],
  },
  access: { imports: ['lib', 'format/items'], types: ['cp-engine/contract.ts', 'fs/contract.ts'] },
  'replica/link': {
    imports: ['lib', 'lib/gates', 'format', 'format/wire', 'cp-engine/space'],
    types: ['blockdev', 'cp-engine/contract.ts'],
  },
  'replica/primary': {
    imports: ['lib', 'lib/gates', 'format', 'format/wire', 'replica/link'],
    types: ['cp-engine/contract.ts'],
  },
  'replica/mirror': {
    imports: [
      'lib',
      'lib/gates',
      'format',
      'format/disk',
      'format/wire',
      'cp-engine/tree',
      'cp-engine/space',
      'cp-engine/volume',
      'replica/link',
    ],
    types: ['blockdev', 'cp-engine/contract.ts'],
  },
  'routes/limits': { imports: ['lib', 'lib/gates'] },
  'routes/examples': { imports: [] },
  'routes/http': {
    imports: ['lib', 'lib/gates', 'fs/paths.ts', 'access', 'routes/limits'],
    types: ['format/items', 'cp-engine/contract.ts', 'fs/contract.ts', 'routes/examples'],
  },
  'routes/v1': {
    imports: [
      'lib',
      'format/items',
      'fs/paths.ts',
      'fs/contract.ts',
      'fs/read',
      'routes/limits',
      'routes/examples',
      'routes/http',
    ],
    types: ['cp-engine/contract.ts'],
  },
  'routes/system': {
    imports: ['lib', 'routes/examples', 'routes/http', 'routes/v1'],
    types: ['routes/limits'],
  },
  routes: { imports: ['lib', 'access', 'routes/examples', 'routes/http', 'routes/v1', 'routes/system'] },
  'server/volume-folder.ts': { imports: ['lib'] },
  'server/tls': { imports: ['lib', 'format'] },
  'server/catalog': {
    imports: [
      'lib',
      'lib/gates',
      'format',
      'blockdev',
      'catalog',
      'catalog/sql',
      'catalog/files',
      'server/volume-folder.ts',
    ],
    types: ['cp-engine/contract.ts', 'routes/limits', 'routes/http'],
  },
  'server/events': { imports: ['lib', 'format', 'routes/http'], types: ['cp-engine/contract.ts'] },
  'server/metrics': {
    imports: ['lib', 'format', 'routes/http'],
    types: [
      'cp-engine/contract.ts',
      'cp-engine/volume',
      'cp-engine',
      'fs',
      'replica/primary',
      'replica/mirror',
    ],
  },
  'server/configuration': { imports: ['lib', 'format', 'cp-engine/tree', 'access'] },
  server: {
    imports: [
      'lib',
      'lib/gates',
      'format',
      'format/disk',
      'format/wire',
      'blockdev',
      'cp-engine/contract.ts',
      'cp-engine/records',
      'cp-engine/volume',
      'cp-engine',
      'fs/contract.ts',
      'fs/tree',
      'fs/read',
      'fs',
      'access',
      'replica/link',
      'replica/primary',
      'replica/mirror',
      'routes/limits',
      'routes/http',
      'routes',
      'server/volume-folder.ts',
      'server/tls',
      'server/catalog',
      'server/events',
      'server/metrics',
      'server/configuration',
    ],
  },
  'cli/command': { imports: ['sdk', 'lib', 'fs/paths.ts', 'access', 'server/configuration'] },
  'cli/help': { imports: ['server/configuration', 'cli/command'] },
  'cli/trees': { imports: ['sdk', 'lib', 'cli/command'] },
  'cli/verbs': {
    imports: [
      'sdk',
      'lib',
      'catalog',
      'catalog/sql',
      'service',
      'access',
      'routes',
      'server/volume-folder.ts',
      'server/tls',
      'server/configuration',
      'server',
      'cli/command',
      'cli/trees',
    ],
    types: ['cp-engine'],
  },
  cli: {
    imports: [
      'sdk',
      'lib',
      'format',
      'blockdev',
      'catalog/sql',
      'routes/http',
      'cli/command',
      'cli/help',
      'cli/verbs',
    ],
  },
}

export interface Ban {
  readonly what: RegExp
  /** Of paths below src/, and of sdk/ without its src/. */
  readonly allowed: RegExp
  readonly why: string
  /** Looks at the modules that are imported, instead of the code. */
  readonly imports?: boolean
}

const doors =
  /^(?:blockdev|cli|server\/configuration|server\/tls)\/|^server\/volume-folder\.ts$|^catalog\/sql\/confine\.ts$/
const nowhere = /^$/

export const bans: readonly Ban[] = [
  {
    what: /^(?:node:|bun(?::|$))/,
    allowed: /^(?!sdk\/)/,
    imports: true,
    why: 'the client runs in browsers: what a runtime has alone is handed in',
  },
  {
    what: /\bBun\.|\bBuffer\b|\bprocess\./g,
    allowed: /^(?!sdk\/)/,
    why: 'the client runs in browsers: what a runtime has alone is handed in',
  },
  {
    what: /^(?:node:)?fs(?:\/promises)?$/,
    allowed: doors,
    imports: true,
    why: 'files are opened in blockdev/, cli/, server/volume-folder.ts, server/tls/ and the configuration',
  },
  {
    what: /\bBun\.(?:file|write|mmap)\b/g,
    allowed: doors,
    why: 'files are opened in blockdev/, cli/, server/volume-folder.ts, server/tls/ and the configuration',
  },
  {
    what: /\bTextDecoder(?:Stream)?\b/g,
    allowed: /^(?:lib|sdk)\/bytes\.ts$/,
    why: 'a decoder drops U+FEFF unless it is told not to: `decodeUtf8` and `showUtf8`',
  },
  {
    what: /^(?:bun:sqlite|node:sqlite|drizzle-orm)/,
    allowed: /^catalog\//,
    imports: true,
    why: 'only catalog/ knows SQLite',
  },
  {
    what: /^bun:ffi$/,
    allowed: /^(?:blockdev|service)\/|^lib\/c-library\.ts$/,
    imports: true,
    why: 'foreign calls are optional and stay in blockdev/ and service/',
  },
  { what: /^node:timers/, allowed: nowhere, imports: true, why: 'time comes from a Clock' },
  {
    what: /\bDate\.now\b|\bnew Date\(\s*\)|\bnew Date\b(?!\s*\()|(?<!new )(?<![.\w])Date\(|\bperformance\.(?:now|timeOrigin|mark|measure)\b|\bprocess\.(?:hrtime|uptime|nextTick)\b|\bBun\.(?:nanoseconds|sleep|sleepSync)\b|\bAbortSignal\.timeout\b|\b(?:setTimeout|setInterval|setImmediate|queueMicrotask)\b/g,
    allowed: /^(?:lib\/clock|sdk\/timers)\.ts$/,
    why: 'time and timers come from a Clock',
  },
  {
    what: /\bclock\.now\b/g,
    allowed: /^format\/position\.ts$/,
    why: 'the wall clock only labels: `labelMs` clamps what it says',
  },
  {
    what: /\bMath\.random\b|\brandomUUID(?:v[57])?\b|\bgetRandomValues\b|\brandomBytes\b|\brandomInt\b/gi,
    allowed: /^(?:lib\/random|sdk\/timers)\.ts$/,
    why: 'chance comes from a Random',
  },
  {
    what: /\bprocess\.env\b|\bBun\.env\b/g,
    allowed: doors,
    why: 'the environment is read by the configuration',
  },
  {
    what: /(?:\.|^[ \t]*(?:(?:static|readonly|async|get|set) )*)#[A-Za-z]\w*/gm,
    allowed: nowhere,
    why: 'members are `private`, in one idiom',
  },
  {
    what: /\bparsePlainPath\b/g,
    allowed: /^(?:fs|cli)\/|^routes\/http\/permit\.ts$/,
    why: 'a path of a request comes from its Permit, which decides whether the sender may use the path',
  },
  { what: /\bprocess\.exit\b/g, allowed: /^cli\//, why: 'a command ends the process, nothing below it' },
]

/** Paths are relative to the project and begin with `src/` or `sdk/src/`; every answer is one sentence with its place. */
export function floorViolations(files: ReadonlyMap<string, string>): string[] {
  return [...files].flatMap(([path, text]) => [...importViolations(path, text), ...banViolations(path, text)])
}

const isSource = (path: string): boolean => /^(?:sdk\/)?src\//.test(path)
/** Drops the `src/` of a path. */
export const inSources = (path: string): string => path.replace(/^src\//, '').replace(/^sdk\/src\//, 'sdk/')

/** The room of a path in the sources. A file has a row of its own, or its folder's. */
export const roomOf = (path: string): string => (Object.hasOwn(rooms, path) ? path : posix.dirname(path))

export interface Arrow {
  readonly from: string
  readonly to: string
  readonly typeOnly: boolean
}

/** Every arrow between two rooms, once a kind. */
export function arrowsOf(files: ReadonlyMap<string, string>): Arrow[] {
  const found = new Map<string, Arrow>()
  for (const [path, text] of files) {
    const from = roomOf(inSources(path))
    for (const { from: module, typeOnly } of importsOf(text)) {
      const target = posix.join(posix.dirname(path), module)
      if (!module.startsWith('.') || !isSource(target)) continue
      const to = roomOf(inSources(target))
      if (to !== from) found.set(`${from} ${to} ${typeOnly}`, { from, to, typeOnly })
    }
  }
  return [...found.values()]
}

function importViolations(path: string, text: string): string[] {
  const found: string[] = []
  const name = roomOf(inSources(path))
  if (!Object.hasOwn(rooms, name)) return [`${path}: src/${name} has no row in tools/floors.ts`]
  const room = rooms[name]!
  for (const { from, typeOnly, reExport, line } of importsOf(text)) {
    if (!from.startsWith('.')) {
      if (reExport) found.push(`${path}:${line}: passes on what ${from} exports`)
      continue
    }
    const target = posix.join(posix.dirname(path), from)
    const place = `${path}:${line}: imports ${from}`
    // The package is imported by one name.
    if (reExport && path !== 'sdk/src/index.ts')
      found.push(`${path}:${line}: passes on what ${from} exports: an import names the file that it means`)
    if (!/\.(?:ts|tsx|sql|json|html|css)$/.test(target)) found.push(`${place} without its extension`)
    // Data that lies beside src/: the version of the program, and the catalog's migrations.
    if (target === 'package.json' || (name === 'catalog' && target.startsWith('drizzle/'))) continue
    if (!isSource(target)) {
      found.push(`${place}, which is not in src/`)
      continue
    }
    const other = roomOf(inSources(target))
    if (other === name || room.imports.includes(other)) continue
    if (room.types?.includes(other)) {
      if (!typeOnly) found.push(`${place}, but ${name} may know only the types of ${other}`)
    } else found.push(`${place}, but ${name} may not know ${other}`)
  }
  return found
}

/** Files that import each other in a circle, type imports included: the first circle found, or null. */
export function circleOf(files: ReadonlyMap<string, string>): string[] | null {
  const imports = new Map(
    [...files].map(([path, text]) => [
      path,
      importsOf(text)
        .map(({ from }) => posix.join(posix.dirname(path), from))
        .filter((target) => files.has(target)),
    ]),
  )
  const finished = new Set<string>()
  const visit = (path: string, way: readonly string[]): string[] | null => {
    const at = way.indexOf(path)
    if (at >= 0) return [...way.slice(at), path]
    if (finished.has(path)) return null
    for (const target of imports.get(path)!) {
      const circle = visit(target, [...way, path])
      if (circle) return circle
    }
    finished.add(path)
    return null
  }
  for (const path of files.keys()) {
    const circle = visit(path, [])
    if (circle) return circle
  }
  return null
}

function banViolations(path: string, text: string): string[] {
  const inSource = inSources(path)
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
