import { closeSync, ftruncateSync, mkdirSync, openSync, symlinkSync, writeSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { FileBlocks } from './blocks.ts'
import { checkBlocks } from './check.ts'
import { Damage, type Finding, Findings } from './damage.ts'
import { type Listed, View } from './view.ts'
import { Volume } from './volume.ts'

const usage = `usage: bun tools/reader/main.ts list FILE [--log]
       bun tools/reader/main.ts extract FILE DIR [--log]
       bun tools/reader/main.ts check FILE [--log]`

/** Opens a volume for reading; what is wrong with it and keeps nobody from reading goes to stderr. */
function openView(blocks: FileBlocks, withLog: boolean): View {
  const findings = new Findings()
  const volume = new Volume(blocks, findings)
  for (const finding of findings.list) console.error(JSON.stringify(finding))
  const { items, records } = volume.read(withLog)
  return new View(items, records, volume.root?.checksumKind ?? 1)
}

/** One line of `list`. */
export function line(view: View, { path, entry, ...extra }: Listed): Record<string, unknown> {
  const { entryKind, mode, size, created, modified } = entry
  const version = `${entry.version.epoch}-${entry.version.opening}-${entry.version.sequence}`
  const sha256 = entryKind === 'file' ? { sha256: view.sha256(entry) } : {}
  return {
    path,
    kind: entryKind,
    size,
    mode: mode.toString(8),
    created,
    modified,
    version,
    ...extra,
    ...sha256,
  }
}

function extract(view: View, directory: string): void {
  for (const { path, entry, target } of view.list()) {
    const to = join(directory, path)
    mkdirSync(entry.entryKind === 'directory' ? to : dirname(to), { recursive: true })
    if (entry.entryKind === 'link') symlinkSync(target ?? '', to)
    if (entry.entryKind === 'file') writeFile(view, entry, to)
  }
}

/** Writes a file; nothing is followed and nothing that is there is written over. */
function writeFile(view: View, entry: Listed['entry'], to: string): void {
  const file = openSync(to, 'wx')
  try {
    let at = 0
    for (const piece of view.content(entry)) at += writeSync(file, piece, 0, piece.length, at)
    ftruncateSync(file, entry.size)
  } finally {
    closeSync(file)
  }
}

function print(findings: readonly Finding[]): number {
  for (const finding of findings) console.log(JSON.stringify(finding))
  return findings.some((finding) => finding.severity === 'error') ? 1 : 0
}

function main(args: readonly string[]): number {
  const withLog = args.includes('--log')
  const [command, file, directory] = args.filter((arg) => arg !== '--log')
  if (file === undefined || (command === 'extract') !== (directory !== undefined)) {
    console.error(usage)
    return 2
  }
  using blocks = new FileBlocks(file)
  if (command === 'check') return print(checkBlocks(blocks, withLog))
  const view = openView(blocks, withLog)
  if (command === 'list') {
    for (const listed of view.list()) console.log(JSON.stringify(line(view, listed)))
  } else if (directory !== undefined) {
    extract(view, directory)
  }
  return 0
}

if (import.meta.main) {
  try {
    process.exitCode = main(process.argv.slice(2))
  } catch (error) {
    if (!(error instanceof Damage)) throw error
    console.error(
      JSON.stringify({ severity: 'error', kind: error.kind, address: error.address, message: error.message }),
    )
    process.exitCode = 1
  }
}
